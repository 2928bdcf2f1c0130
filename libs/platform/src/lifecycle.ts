import { AppError } from '@app/kernel';

/** Whether somebody started this process with an IPC channel; they may be gone before we are ready. */
const hasStarter = process.send !== undefined;

/** The exit code of a process that no restart helps: what it was given is not right (EX_CONFIG of sysexits.h). */
export const EXIT_MISCONFIGURED = 78;

/**
 * Runs a process' start, and says in words why it does not start: what is wrong, and what to do. The exit code is
 * {@link EXIT_MISCONFIGURED} where somebody has to mend something first, 1 where another attempt may go better.
 */
export async function starting(name: string, start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    process.stderr.write(`curfew-${name} does not start: ${startFailureWords(error)}\n`);
    process.exit(error instanceof AppError && error.kind === 'invalid' ? EXIT_MISCONFIGURED : 1);
  }
}

/** What is wrong, where, and what to do, a line each. */
export function startFailureWords(error: unknown): string {
  if (!(error instanceof AppError)) return error instanceof Error ? error.message || error.name : 'failed';
  const details = Object.entries(error.details).flatMap(([name, value]) => detailLines(name, value));
  // Some messages are a list themselves.
  const unsaid = details.filter((line) => !error.message.includes(line)).map((line) => `  ${line}`);
  return [error.message, ...unsaid, ...(error.advice === undefined ? [] : [error.advice])].join('\n');
}

function detailLines(name: string, value: unknown): string[] {
  if (Array.isArray(value)) return value.map((each) => placed(each) ?? plain(each));
  return [`${name}: ${plain(value)}`];
}

/** A problem in a file, as compilers say it. */
function placed(value: unknown): string | undefined {
  const { file, line, message } = (value ?? {}) as Record<string, unknown>;
  return typeof file === 'string' && typeof message === 'string' ? `${file}:${String(line)}: ${message}` : undefined;
}

const plain = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

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
