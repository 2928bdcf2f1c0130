import { setTimeout as pause } from 'node:timers/promises';

const INTERVAL_MS = 10;

/** Milliseconds of a clock that never jumps: for deadlines, not for dates. */
export const ticks = (): number => performance.now();

/**
 * Asks until the answer is something, at short intervals.
 *
 * @returns the answer, or `undefined` when there was none before the deadline
 */
export async function waitFor<T>(
  ask: () => T | undefined | Promise<T | undefined>,
  withinMs: number,
  everyMs = INTERVAL_MS,
): Promise<T | undefined> {
  const deadline = ticks() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (ticks() >= deadline) return undefined;
    await pause(everyMs);
  }
}
