import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Failure } from './failure.ts';
import { homeOf } from './home.mjs';

/** This clone: where its code is, and where it keeps everything it makes. */
export interface Clone {
  readonly root: string;
  /** `.curfew` in the root, or `CURFEW_HOME`. */
  readonly home: string;
}

export const APPS = ['api', 'worker', 'timekeeper'] as const;
export type AppName = (typeof APPS)[number];

/** @throws Failure for a `CURFEW_HOME` that is no folder and cannot become one */
export function thisClone(environment: NodeJS.ProcessEnv): Clone {
  const root = resolve(import.meta.dirname, '..');
  const asked = environment['CURFEW_HOME'];
  const home = homeOf(root, environment);
  const there = missingFolders(home).there;
  if (statSync(there).isDirectory()) return { root, home };
  throw new Failure(`${asked ? 'CURFEW_HOME is' : 'the data would go to'} ${home}, and ${there} is no folder`, [
    asked ? 'Set it to a folder, or to where one can be made.' : 'Move that away, and start again.',
  ]);
}

/** @throws Failure where none can be made */
export function makeHome({ home }: Clone): void {
  for (const folder of missingFolders(join(home, 'logs')).missing) makeFolder(folder);
  // Root's database server is another account: it passes through here to its own folder. The files are all private.
  chmodSync(home, process.getuid?.() === 0 ? 0o711 : 0o700);
}

/** What there is of a path, and which folders below that are missing, the outermost first. */
function missingFolders(path: string): { there: string; missing: readonly string[] } {
  const missing: string[] = [];
  let there = path;
  for (; statSync(there, { throwIfNoEntry: false }) === undefined; there = dirname(there)) missing.unshift(there);
  return { there, missing };
}

/** One at a time: asked for all at once, Node never ends where the system makes none, as in /proc. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    if (code !== 'ENOENT' && code !== 'EEXIST' && code !== 'ENOTDIR') throw cause;
    throw new Failure(`the folder ${path} cannot be made`, [message, 'Set CURFEW_HOME to a folder.'], cause);
  }
}

export const paths = {
  lock: ({ home }: Clone) => join(home, 'lock'),
  run: ({ home }: Clone) => join(home, 'run.json'),
  ports: ({ home }: Clone) => join(home, 'ports.json'),
  database: ({ home }: Clone) => join(home, 'database.json'),
  demo: ({ home }: Clone) => join(home, 'demo.json'),
  postgres: ({ home }: Clone) => join(home, 'postgres'),
  sealingKey: ({ home }: Clone) => join(home, 'keys', 'sealing.key'),
  proofKey: ({ home }: Clone) => join(home, 'keys', 'proof.key'),
  sealedElsewhere: ({ home }: Clone) => join(home, 'keys', 'sealed-elsewhere.json'),
  log: ({ home }: Clone, name: string) => join(home, 'logs', `${name}.log`),
  app: ({ root }: Clone, name: string) => join(root, 'dist', 'apps', name, 'main.js'),
} as const;
