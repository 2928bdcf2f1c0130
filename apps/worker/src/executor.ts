import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Reconciler, Survey } from '@app/access';
import { Operations } from '@app/platform';
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

/** Carries out operations, a bounded number at a time, whether the bell rang for them or the sweep found them. */
export class Executor {
  readonly #running = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly does: ExecutorParts,
    private readonly concurrency: number,
    private readonly log: Logger,
  ) {}

  start(bell: BellListener): void {
    bell.listen(this.concurrency, (id) => this.#submit(id));
    this.#loops = Promise.all([
      this.#every(SWEEP_MS, () => this.#sweep()),
      this.#every(FORGET_EVERY_MS, () => this.does.operations.sweep()),
      this.#every(SURVEY_EVERY_MS, () => this.#survey()),
    ]);
  }

  /** Takes nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await Promise.all(this.#running.values());
  }

  async #sweep(): Promise<void> {
    const free = this.concurrency - this.#running.size;
    if (free <= 0) return;
    for (const { id } of await this.does.operations.due(free)) void this.#submit(id);
  }

  async #survey(): Promise<void> {
    for (const { target, found } of await this.does.survey.run()) {
      if (found > 0) this.log.warn({ target, found }, 'strays: something bears our name and belongs to no grant');
    }
  }

  /** A ring for what this process is at already is answered by that. */
  #submit(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running || this.#stopping.signal.aborted || this.#running.size >= this.concurrency)
      return running ?? Promise.resolve();
    const attempt = this.does.reconciler
      .carryOut(id)
      .catch((error: unknown) => this.log.error({ err: error, operation: id }, 'an operation could not be looked at'))
      .finally(() => this.#running.delete(id));
    this.#running.set(id, attempt);
    return attempt;
  }

  async #every(milliseconds: number, act: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await act().catch((error: unknown) => this.log.error({ err: error }, 'a sweep did not go through'));
      await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
    }
  }
}
