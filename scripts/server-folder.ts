import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { paths, type Clone } from './clone.ts';
import { Failure } from './failure.ts';
import { readPorts } from './ports-file.ts';
import { canEnter, serverAccount } from './postgres-place.ts';
import { readJson, writeJson } from './private-file.ts';

/** In a folder outside: the home of the clone that it belongs to. */
interface Owner {
  readonly home: string;
}

/**
 * Where the data of a new clone's server go, as `database.json` notes it: into its home, beside everything else, and
 * then wherever that goes. Only when we are root in a place that the server's account cannot enter, somewhere that it can.
 */
export function newServerFolder(clone: Clone): string {
  const account = serverAccount();
  if (!account || canEnter(clone.home, account)) return 'postgres';
  const base = process.platform === 'darwin' ? '/usr/local/var' : '/var/lib';
  return join(base, 'curfew', randomBytes(8).toString('hex'));
}

/** The folder that a note means. What lies in the home is the clone's own, whatever was noted where it lay before. */
export function serverFolderOf(clone: Clone, noted: string): string {
  const inside = paths.postgres(clone);
  return existsSync(inside) ? inside : resolve(clone.home, noted);
}

/**
 * Binds a folder outside to this clone, before a server is started on it. One that was moved keeps its data; a copy must
 * not run on those of the clone that it was copied from.
 *
 * @throws Failure for a copy, and where the data are gone
 */
export function claimServerFolder(clone: Clone, folder: string): void {
  if (isInside(clone, folder)) return;
  const other = otherOwner(clone, folder);
  if (other !== undefined)
    throw new Failure(`${clone.home} is a copy of ${other}, without a database of its own`, [
      `The database is in ${folder}. It was not copied along, and belongs to the other.`,
      'To begin anew here, with an empty one: npm run reset. It deletes nothing of the other.',
    ]);
  if (!existsSync(folder) && readPorts(clone).database !== undefined)
    throw new Failure(`the database of this clone is gone: there is no ${folder}`, [
      'Restore it from a backup, or begin anew: npm run reset',
    ]);
  mkdirSync(dirname(folder), { recursive: true, mode: 0o755 });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeJson(ownerFile(folder), { home: clone.home } satisfies Owner);
}

/** Whether a reset of this clone may delete the folder: it is inside, or bound to this clone. */
export function ownsServerFolder(clone: Clone, folder: string): boolean {
  if (isInside(clone, folder)) return true;
  return readOwner(folder) !== undefined && otherOwner(clone, folder) === undefined;
}

/** Where the data of a clone lie: all in its home, unless its server had to go elsewhere. */
export function foldersOf(clone: Clone, folder: string): readonly string[] {
  return isInside(clone, folder) ? [clone.home] : [clone.home, folder];
}

const isInside = ({ home }: Clone, folder: string): boolean => folder.startsWith(home + sep);

const ownerFile = (folder: string): string => join(folder, 'clone.json');

const readOwner = (folder: string): Owner | undefined => readJson(ownerFile(folder)) as Owner | undefined;

/** Another clone's home that the folder is bound to, and that still goes by it: one that has moved is not there any more. */
function otherOwner(clone: Clone, folder: string): string | undefined {
  const home = readOwner(folder)?.home;
  if (home === undefined || !existsSync(home) || realpathSync(home) === realpathSync(clone.home)) return undefined;
  const there = readJson(paths.database({ root: home, home })) as { serverFolder?: string } | undefined;
  return there?.serverFolder === folder ? home : undefined;
}
