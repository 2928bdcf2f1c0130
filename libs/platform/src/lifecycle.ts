/**
 * Ends with whoever started this process. A starter that gave us an IPC channel hears when we are ready; when the channel
 * closes, however it died, we end too.
 */
export function reportReady(address: string): void {
  process.send?.({ ready: true, address });
}

/** Runs `stop` once: on SIGTERM, SIGINT or when the starter is gone. The process ends when it is done, after 5 s at most. */
export function onStop(stop: () => Promise<void>): void {
  let stopping = false;
  const end = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), 5_000).unref();
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  if (process.send) process.once('disconnect', end);
}
