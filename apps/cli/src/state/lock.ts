import { setTimeout as pause } from 'node:timers/promises';
import { Failure } from '../failure';
import { orCannotKeep } from './cannot-keep';
import type { PrivateFolder } from './private-files';

const POLL_MS = 25;
const PATIENCE_MS = 60_000;
const SQLITE_BUSY = 5;

/**
 * Runs the work while no other process of ours holds the lock. It is the system's own lock on an open file, which ends
 * with its holder however that ends; Node offers no file locks but those of its SQLite.
 *
 * @throws CannotKeep
 */
export async function withLock<T>(folder: PrivateFolder, name: string, work: () => Promise<T>): Promise<T> {
  const path = orCannotKeep(folder.path, () => folder.touch(name));
  // By name, when it is needed: the bundler does not know this module.
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const startedAt = performance.now();
  for (;;) {
    const held = new DatabaseSync(path, { timeout: 0 });
    try {
      if (orCannotKeep(folder.path, () => taken(held))) return await work();
    } finally {
      held.close();
    }
    if (performance.now() - startedAt > PATIENCE_MS)
      throw new Failure({
        kind: 'unavailable',
        code: 'cli.locked',
        message: 'another curfew process has been busy for a minute',
        advice: `If none runs any more, remove ${path}.`,
      });
    await pause(POLL_MS);
  }
}

/** Whether a process lives that holds the lock of a file which is there. */
export function isHeld(path: string): boolean {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const look = new DatabaseSync(path, { timeout: 0 });
  try {
    return !taken(look);
  } finally {
    look.close();
  }
}

function taken(database: { exec(sql: string): void }): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
