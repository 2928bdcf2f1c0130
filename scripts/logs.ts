import { copyFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const MOST_BYTES = 10 * 1_024 * 1_024;

/** Keeps every log below 20 MB: what is too long becomes `<name>.log.1`. Writers append, so they go on at the start. */
export function rotateLogs(folder: string): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    if (!name.endsWith('.log') || statSync(file).size < MOST_BYTES) continue;
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
  }
}
