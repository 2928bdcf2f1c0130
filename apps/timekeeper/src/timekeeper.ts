import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Counter, Histogram, type OpenMetricsContentType, type Registry } from 'prom-client';
import { Deadlines, type Pass } from '@app/access';
import { failpoint } from '@app/kernel';
import type { OpenOperation } from '@app/platform';
import { Bell } from '@app/platform/queue';

/** The longest it sleeps: a row may appear that it did not know of. */
const MAX_SLEEP_MS = 100;
const LAPSE_EVERY_MS = 1_000;
/** How many statements end at once where more is due than one of them ends. Each has a connection of its own. */
export const LANES = 2;
/** Whoever hears one looks for all that is due: more rings than workers have hands would only keep them from it. */
const RINGS = 8;
/**
 * Longer than any statement may take: the connection hangs, and a new process gets on faster than this one. Counted in
 * looks of ours: a process that was stopped, or got no time, has not waited.
 */
const HUNG_LOOKS = 8;
const LOOK_MS = 500;

/** Ends what is due, on time: looks, sleeps until the next deadline, looks again. */
export class Timekeeper {
  readonly #lateness: Histogram;
  readonly #failures: Counter;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  /** On the monotonic clock. */
  #lastPassAt = performance.now();
  /** How often the watch has looked at the pass that is under way. */
  #looks: number | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(
    private readonly deadlines: Deadlines,
    private readonly bell: Bell,
    metrics: Registry<OpenMetricsContentType>,
    private readonly log: Logger,
  ) {
    this.#lateness = new Histogram({
      name: 'curfew_end_decision_lateness_seconds',
      help: 'How long after its deadline the end of a grant was decided.',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
      registers: [metrics],
    });
    this.#failures = new Counter({
      name: 'curfew_timekeeper_failed_passes',
      help: 'Passes that did not go through, mostly because the database did not answer.',
      registers: [metrics],
    });
  }

  start(): void {
    this.#watch = setInterval(() => this.#endWhenHung(), LOOK_MS);
    this.#running = Promise.all([this.#end(), this.#lapse()]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#watch);
    await this.#running;
  }

  /** How long ago the last pass went through, in seconds. */
  silentSeconds(): number {
    return (performance.now() - this.#lastPassAt) / 1_000;
  }

  async #end(): Promise<void> {
    while (!this.#stopping.signal.aborted) await this.#pause(await this.#look());
  }

  /**
   * Ends what is due right now, all of it, before it rings: workers that begin meanwhile would take the time of the server
   * from the decisions that are late already. Those that look by themselves find what is committed.
   *
   * @returns how long to sleep, in milliseconds
   */
  async #look(): Promise<number> {
    this.#looks = 0;
    const asked: OpenOperation[] = [];
    try {
      const { full, nextInMs } = await this.#pass(asked);
      if (!full) return Math.min(MAX_SLEEP_MS, Math.ceil(nextInMs ?? MAX_SLEEP_MS));
      await this.#burst(asked);
      return 0;
    } catch (error) {
      this.#failures.inc();
      this.log.error({ err: error }, 'a pass did not go through');
      return MAX_SLEEP_MS;
    } finally {
      this.#looks = undefined;
      // Not waited for: the next deadline does not wait for the queue.
      const rung = this.bell.ring(asked.slice(0, RINGS));
      if (asked.length > 0) void rung.then(() => failpoint('deadlines.rung'));
    }
  }

  async #pass(asked: OpenOperation[]): Promise<Pass> {
    const pass = await this.deadlines.endDue();
    this.#looks = 0;
    this.#lastPassAt = performance.now();
    for (const late of pass.lateMs) this.#lateness.observe(late / 1_000);
    asked.push(...pass.operations);
    return pass;
  }

  /** Side by side: a statement is as fast as one processor, and rows that one of them holds the others skip. */
  async #burst(asked: OpenOperation[]): Promise<void> {
    const lane = async (): Promise<void> => {
      while ((await this.#pass(asked)).full && !this.#stopping.signal.aborted);
    };
    // All of them are over before anything else begins, also where one has failed.
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
    for (const each of lanes) if (each.status === 'rejected') throw each.reason;
  }

  /** Whoever starts this process starts another one. */
  #endWhenHung(): void {
    if (this.#looks === undefined) return;
    this.#looks += 1;
    if (this.#looks < HUNG_LOOKS) return;
    this.log.fatal('the database connection hangs; ending, to begin anew');
    process.exit(1);
  }

  async #lapse(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.deadlines
        .lapseDue()
        .catch((error: unknown) => this.log.error({ err: error }, 'lapsing did not go through'));
      await this.#pause(LAPSE_EVERY_MS);
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
