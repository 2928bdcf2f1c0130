import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandOf, folderOf, isAlive } from './processes.ts';

/** What a running server says of itself in `postmaster.pid`. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** It takes connections. */
  readonly ready: boolean;
}

const file = (data: string): string => join(data, 'postmaster.pid');

function read(data: string): readonly string[] {
  try {
    return readFileSync(file(data), 'utf8').split('\n');
  } catch {
    return [];
  }
}

/**
 * The server that runs on these data, if one does. The file alone proves nothing: after `kill -9` or a power failure
 * it is still there, and its number may be another process' by now.
 */
export function findPostmaster(data: string): Postmaster | undefined {
  const [pid, , , port, , , , status] = read(data);
  const found = { pid: Number(pid), port: Number(port), ready: status?.trim() === 'ready' };
  return found.pid > 0 && isAlive(found.pid) && servesFrom(found.pid, data) ? found : undefined;
}

/**
 * PostgreSQL refuses to start when the number in a left-over file is some living process of the same account. It does
 * not mind its own parent's number; and the rest of the file must stay, for by it the server makes sure that no
 * process of the dead one still writes to these data.
 */
export function disownStaleFile(data: string): void {
  const [pid, ...rest] = read(data);
  if (pid === undefined || findPostmaster(data)) return;
  if (Number(pid) > 0 && isAlive(Number(pid))) writeFileSync(file(data), [String(process.pid), ...rest].join('\n'));
}

function servesFrom(pid: number, data: string): boolean {
  if (!/(^|\/)postgres( |$)/.test(commandOf(pid).split(' -')[0] ?? '')) return false;
  const folder = folderOf(pid);
  return folder === undefined ? commandOf(pid).includes(data) : folder === realpathSync(data);
}
