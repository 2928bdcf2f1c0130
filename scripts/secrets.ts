import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { APPS, paths, type AppName, type Clone } from './clone.ts';
import { Failure } from './failure.ts';
import { readJson, writeJson, writePrivately } from './private-file.ts';
import { newServerFolder, serverFolderOf } from './server-folder.ts';

/** What this clone's database knows its users by. Made once. */
export interface DatabaseSecrets {
  /** Which installation this is; another one after a reset. No secret: sign-ins here are kept for it. */
  readonly installation?: string;
  readonly superuserPassword: string;
  /** Of the roles `curfew_api`, `curfew_worker`, `curfew_timekeeper`. */
  readonly passwords: Readonly<Record<AppName, string>>;
  /** Where the server of our own keeps its data. In the file: as seen from the home, when it lies in there. */
  readonly serverFolder: string;
}

const KEY_BYTES = 32;
const token = (): string => randomBytes(24).toString('base64url');

/** The passwords, made on the first start and kept 0600 ever after. */
export function databaseSecrets(clone: Clone): DatabaseSecrets {
  const known = knownSecrets(clone);
  if (known) return known;
  const passwords = { api: token(), worker: token(), timekeeper: token() } satisfies Record<
    (typeof APPS)[number],
    string
  >;
  const made = { installation: token(), superuserPassword: token(), passwords, serverFolder: newServerFolder(clone) };
  writeJson(paths.database(clone), made);
  return { ...made, serverFolder: serverFolderOf(clone, made.serverFolder) };
}

/** Those of an earlier start. */
export function knownSecrets(clone: Clone): DatabaseSecrets | undefined {
  const known = readJson(paths.database(clone)) as DatabaseSecrets | undefined;
  return known && { ...known, serverFolder: serverFolderOf(clone, known.serverFolder) };
}

/**
 * The keys that credentials are sealed under: made before there is anything to seal. A key that is missing later is
 * never replaced by another one: what was sealed under it would be lost without a word.
 */
export function ensureKeys(clone: Clone): void {
  const isFirstStart = !existsSync(paths.database(clone));
  for (const file of [paths.sealingKey(clone), paths.proofKey(clone)]) {
    if (existsSync(file)) refuseOpenKey(file);
    else if (isFirstStart) writePrivately(file, randomBytes(KEY_BYTES).toString('base64'));
    else throw new Failure(`the key ${file} is missing`, ['Restore it from a backup, or begin anew: npm run reset']);
  }
}

/** Notes, beside the keys, a database that is sealed with them and that no reset deletes. */
export function sealElsewhere(clone: Clone, database: string): void {
  const known = sealedElsewhere(clone);
  if (!known.includes(database)) writeJson(paths.sealedElsewhere(clone), [...known, database]);
}

export function sealedElsewhere(clone: Clone): readonly string[] {
  return (readJson(paths.sealedElsewhere(clone)) as readonly string[] | undefined) ?? [];
}

function refuseOpenKey(file: string): void {
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Failure(`other users can read the key ${file}`, [`chmod 600 '${file}', if nobody did.`]);
}

// Without the letters and digits that look alike.
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

/** A password that a person can type from a screen: 15 characters, 75 bits. */
export function typeablePassword(): string {
  const group = (): string => Array.from({ length: 5 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return [group(), group(), group()].join('-');
}
