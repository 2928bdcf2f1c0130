import { copyFileSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const MOST_BYTES = 10 * 1_024 * 1_024;

/** Keeps every log below 20 MB: what is too long becomes `<name>.log.1`. Writers append, so they go on at the start. */
export function rotateLogs(folder: string): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    if (!name.endsWith('.log') || statSync(file).size < MOST_BYTES) continue;
    try {
      copyFileSync(file, `${file}.1`);
      truncateSync(file);
    } catch (error) {
      // On a full disk the older part goes; the rest stays until there is room again.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      rmSync(`${file}.1`, { force: true });
    }
  }
}
