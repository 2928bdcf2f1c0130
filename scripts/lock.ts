import { DatabaseSync } from 'node:sqlite';

/** Held until it is released or its holder ends, however it ends: the system's own lock on an open file. */
export interface Lock {
  release(): void;
}

/**
 * Takes a lock file for this process. A number in a file would outlive `kill -9`, and Node offers no file locks but
 * those of its SQLite.
 *
 * @returns `undefined` when another process holds it
 */
export function tryLock(file: string): Lock | undefined {
  const handle = new DatabaseSync(file, { timeout: 0 });
  try {
    handle.exec('BEGIN EXCLUSIVE');
    return { release: () => handle.close() };
  } catch (error) {
    handle.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

const SQLITE_BUSY = 5;
