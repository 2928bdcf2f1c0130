import { AppError } from '@app/kernel';

/** Whether somebody started this process with an IPC channel; they may be gone before we are ready. */
const hasStarter = process.send !== undefined;

/** Runs a process' start, and says in words why it does not start: what is wrong, and what to do. */
export async function starting(name: string, start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    const reason = error instanceof Error ? error.message || error.name : 'failed';
    const advice = error instanceof AppError && error.advice !== undefined ? `\n${error.advice}` : '';
    process.stderr.write(`curfew-${name} does not start: ${reason}${advice}\n`);
    process.exit(1);
  }
}

/**
 * Ends with whoever started this process. A starter that gave us an IPC channel hears when we are ready; when the channel
 * closes, however it died, we end too.
 */
export function reportReady(address: string): void {
  process.send?.({ ready: true, address });
}

/** How long an end may take, in milliseconds: when asked for it, and when nobody is left who would wait. */
const PATIENCE_MS = 5_000;
const ORPHAN_PATIENCE_MS = 1_500;

/** Runs `stop` once: on SIGTERM, SIGINT or when the starter is gone. The process ends when it is done, or late. */
export function onStop(stop: () => Promise<void>): void {
  let stopping = false;
  const end = (patienceMs: number): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), patienceMs).unref();
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', () => end(PATIENCE_MS));
  process.once('SIGINT', () => end(PATIENCE_MS));
  if (!hasStarter) return;
  if (process.connected) process.once('disconnect', () => end(ORPHAN_PATIENCE_MS));
  else end(ORPHAN_PATIENCE_MS);
}
