import { ticks } from './waiting.ts';

const PARENT_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** One Ctrl-C may arrive several times: from the terminal, from npm, and by npm's own end. */
const SAME_MS = 1_000;

/** Somebody wants us to end. */
export interface StopRequests {
  readonly signal: AbortSignal;
  /** Resolves with the first request, and who made it. */
  readonly requested: Promise<string>;
  /** Called when they ask again: they are in a hurry. */
  onHurry(hurry: () => void): void;
}

/**
 * Ctrl-C, a signal, the terminal that closes; and the end of the npm that started us, which signals nobody when it is
 * killed.
 */
export function stopRequests(environment: NodeJS.ProcessEnv = process.env): StopRequests {
  const controller = new AbortController();
  const hurries: (() => void)[] = [];
  const { promise: requested, resolve } = Promise.withResolvers<string>();
  let last: number | undefined;
  let again = 0;
  const request = (by: string): void => {
    if (last !== undefined && ticks() - last < SAME_MS) return;
    if (last !== undefined) again += 1;
    last = ticks();
    if (again === 1) hurries.forEach((hurry) => hurry());
    // Enough: what is left of us ends by itself, as after kill -9.
    if (again > 1) process.exit(1);
    controller.abort();
    resolve(by);
  };
  for (const name of SIGNALS) process.on(name, () => request(name));
  if (environment['npm_lifecycle_event'] !== undefined) whenParentEnds(() => last ?? request('npm ended'));
  return { signal: controller.signal, requested, onHurry: (hurry) => void hurries.push(hurry) };
}

function whenParentEnds(request: () => void): void {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    request();
  }, PARENT_MS);
  watch.unref();
}
