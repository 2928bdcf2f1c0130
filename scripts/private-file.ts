import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from './failure.ts';

/** Writes a file that only its owner can read: whole or, whatever happens, as it was before. */
export function writePrivately(path: string, text: string): void {
  const partial = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    const file = openSync(partial, 'w', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

export function writeJson(path: string, value: unknown): void {
  writePrivately(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

/** What {@link writeJson} wrote, or `undefined` when it never did. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof SyntaxError) throw new Failure(`${path} is damaged`, ['Restore it, or: npm run reset'], cause);
    throw cause;
  }
}
