import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Reconciler, Survey } from '@app/access';
import { Operations, type DueOperation, type Line } from '@app/platform';
import { BellListener } from '@app/platform/queue';

/** How often it looks at the table by itself. The bell is for promptness, this is the guarantee. */
const SWEEP_MS = 250;
const FORGET_EVERY_MS = 3_600_000;
const SURVEY_EVERY_MS = 1_000;

export interface ExecutorParts {
  readonly reconciler: Reconciler;
  readonly operations: Operations;
  readonly survey: Survey;
}

export interface ExecutorLimits {
  /** How many operations it carries out at once. */
  readonly hands: number;
  /** How many of them may be ends at one target, and how many anything else there. */
  readonly perLine: number;
}

interface Running extends Line {
  readonly over: Promise<void>;
}

/**
 * Carries out operations, a bounded number at a time, and of those at one target no more than its share: one that is slow
 * or dead has that in hand, and no more of this worker.
 *
 * It looks when the bell rings, when something is done and more may wait, and now and then in any case. There is one look
 * at a time, so that what it finds is counted before it looks again.
 */
export class Executor {
  readonly #running = new Map<string, Running>();
  readonly #stopping = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();
  #looking = false;
  #wanted = false;
  /** It took as much as it may when it looked last: more may be due. */
  #left = false;

  constructor(
    private readonly does: ExecutorParts,
    private readonly limits: ExecutorLimits,
    private readonly log: Logger,
  ) {}

  start(bell: BellListener, sweepMs = SWEEP_MS): void {
    bell.listen(this.limits.hands, { answer: () => this.look(), onDeaf: () => this.#endDeaf() });
    this.#loops = Promise.all([
      this.#every(sweepMs, () => this.look()),
      this.#every(FORGET_EVERY_MS, () => this.does.operations.sweep()),
      this.#every(SURVEY_EVERY_MS, () => this.#survey()),
    ]);
  }

  /** Takes nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await Promise.all([...this.#running.values()].map(({ over }) => over));
  }

  /** Takes what is due. Whoever asks in the middle of it has it look once more, and does not wait for that. */
  async look(): Promise<void> {
    this.#wanted = true;
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#wanted && !this.#stopping.signal.aborted) {
        this.#wanted = false;
        await this.#take();
      }
    } catch (error) {
      this.log.error({ err: error }, 'looking for work did not go through');
    } finally {
      this.#looking = false;
    }
  }

  async #take(): Promise<void> {
    const free = this.limits.hands - this.#running.size;
    this.#left = free <= 0;
    if (this.#left) return;
    const { perLine } = this.limits;
    const before = [...this.#running.values()];
    const due = await this.does.operations.due(free, { perLine, underWay: linesOf(before) });
    this.#left = due.length === free || linesOf([...before, ...due]).some(({ count }) => count >= perLine);
    if (this.#stopping.signal.aborted) return;
    for (const operation of due) if (!this.#running.has(operation.id)) this.#carryOut(operation);
  }

  #carryOut({ id, target, ends }: DueOperation): void {
    this.#running.set(id, { target, ends, over: this.#attempt(id) });
  }

  async #attempt(id: string): Promise<void> {
    try {
      await this.does.reconciler.carryOut(id);
    } catch (error) {
      // A database that takes no changes is asked again by the sweep, and not as fast as it refuses.
      this.log.error({ err: error, operation: id }, 'an operation could not be looked at');
      return;
    } finally {
      this.#running.delete(id);
    }
    if (this.#left || this.#looking) void this.look();
  }

  async #survey(): Promise<void> {
    for (const { target, found } of await this.does.survey.run()) {
      if (found > 0) this.log.warn({ target, found }, 'strays: something bears our name and belongs to no grant');
    }
  }

  /** The sweep would go on, later than the bell. Whoever starts this process starts another one. */
  #endDeaf(): void {
    this.log.fatal('takes no jobs although the queue answers; ending, to begin anew');
    process.exit(1);
  }

  async #every(milliseconds: number, act: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await act().catch((error: unknown) => this.log.error({ err: error }, 'a sweep did not go through'));
      await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** How many of them stand in each line. */
function linesOf(operations: readonly Line[]): (Line & { count: number })[] {
  const lines = new Map<string, Line & { count: number }>();
  for (const { target, ends } of operations) {
    const name = `${target} ${ends}`;
    lines.set(name, { target, ends, count: (lines.get(name)?.count ?? 0) + 1 });
  }
  return [...lines.values()];
}
