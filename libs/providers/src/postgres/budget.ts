import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { TargetUnavailable } from '../provider.errors';

const FIRST_LOOK_MS = 5;
const LONGEST_LOOK_MS = 100;

/** The time a call may take, on the monotonic clock. Nothing is begun when it is spent. */
export class Budget {
  readonly #begunAt = performance.now();
  readonly #endsAt: number;

  constructor(milliseconds: number) {
    this.#endsAt = this.#begunAt + milliseconds;
  }

  /** Milliseconds since the call began. */
  spent(): number {
    return performance.now() - this.#begunAt;
  }

  /** Milliseconds that are left, at most `limit`. @throws TargetUnavailable when none is */
  atMost(limit: number): number {
    const left = Math.floor(this.#endsAt - performance.now());
    if (left < 1) throw new TargetUnavailable('too_slow');
    return Math.min(left, limit);
  }

  /**
   * Looks until the condition holds.
   *
   * @throws TargetUnavailable with the code when it does not hold in time
   */
  async until(holds: () => Promise<boolean>, limit: number, code: string): Promise<void> {
    const waiting = new Budget(this.atMost(limit));
    for (let pause = FIRST_LOOK_MS; !(await holds()); pause = Math.min(pause * 2, LONGEST_LOOK_MS)) {
      if (waiting.#endsAt - performance.now() < pause) throw new TargetUnavailable(code);
      await setTimeout(pause);
    }
  }
}
