import { EXIT } from './exit-codes';

const controller = new AbortController();

function interrupt(): void {
  if (controller.signal.aborted) process.exit(EXIT.interrupted);
  controller.abort();
}

/** Aborted by Ctrl-C, which ends what waits and lets what is being written finish. A second Ctrl-C does not ask. */
export function interruption(): AbortSignal {
  process.on('SIGINT', interrupt);
  return controller.signal;
}

const PASSED = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGCONT'] as const;
const OF_THE_KEYBOARD: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGCONT'];

/**
 * From here on signals are somebody else's. What the keyboard sends, a terminal gives to everybody in the foreground: it
 * is not passed on a second time.
 */
export function passSignals(to: (signal: NodeJS.Signals) => void): () => void {
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const listeners = PASSED.map((signal) => {
    const listener = (): void => {
      if (!atTerminal || !OF_THE_KEYBOARD.includes(signal)) to(signal);
    };
    return [signal, listener] as const;
  });
  process.off('SIGINT', interrupt);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
    process.on('SIGINT', interrupt);
  };
}
