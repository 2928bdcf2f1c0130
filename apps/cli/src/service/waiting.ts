import { ProblemReply, ServiceUnavailable } from '../failure';
import { sleep } from '../sleep';
import type { Api } from './api';

/** A service that is away for a moment is not the end of what somebody waits for. */
export const isAway = (error: unknown): boolean =>
  error instanceof ServiceUnavailable ||
  (error instanceof ProblemReply &&
    (error.kind === 'unavailable' || error.kind === 'limited' || error.kind === 'internal'));

export interface Watch<T> {
  readonly api: Api;
  readonly path: string;
  readonly signal: AbortSignal;
  /** Whether this is what was waited for. */
  readonly until: (seen: T) => boolean;
  /** Told of everything that is seen, and of `undefined` when the service is away. */
  readonly seen?: (seen: T | undefined) => void;
  readonly everyMs?: number;
  readonly patienceMs?: number;
}

/** Looks until it is so. @returns what was seen last @throws Interrupted, and what the service refuses */
export async function waitUntil<T>(watch: Watch<T>): Promise<T> {
  const { api, path, signal, everyMs = 1_000, patienceMs = Infinity } = watch;
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const isLast = performance.now() >= deadline;
    const found = await unlessAway(() => api.get<T>(path), isLast);
    watch.seen?.(found);
    if (found !== undefined && (isLast || watch.until(found))) return found;
    await sleep(everyMs, signal);
  }
}

/** What a service that is away for a moment would have said: nothing. */
export async function unlessAway<T>(look: () => Promise<T>, isLast = false): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (!isLast && isAway(error)) return undefined;
    throw error;
  }
}
