const PARENT_MS = 500;

/** Somebody wants us to end. */
export interface StopRequests {
  readonly signal: AbortSignal;
  /** Resolves with the first request. */
  readonly requested: Promise<void>;
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
  const { promise: requested, resolve } = Promise.withResolvers<void>();
  let requests = 0;
  const request = (): void => {
    requests += 1;
    if (requests === 2) hurries.forEach((hurry) => hurry());
    // Enough: what is left of us ends by itself, as after kill -9.
    if (requests > 2) process.exit(1);
    controller.abort();
    resolve();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, request);
  if (environment['npm_lifecycle_event'] !== undefined) whenParentEnds(request);
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
