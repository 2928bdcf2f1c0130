import { spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { DISK_FULL, Failure } from './failure.ts';
import { freePort, isFree, LOOPBACK } from './ports.ts';
import { prepare, SERVER_ENVIRONMENT, withPlainBinaries, type Account, type Place } from './postgres-place.ts';
import { disownStaleFile, findPostmaster, type Postmaster } from './postmaster-file.ts';
import { isAlive, signal } from './processes.ts';
import { waitFor } from './waiting.ts';

export const SUPERUSER = 'curfew_admin';

const START_MS = 60_000;
const FAST_STOP_MS = 20_000;
const GONE_MS = 5_000;
const ATTEMPTS = 20;
const RETRY_MS = 250;

export interface ServerOptions {
  /** Everything of this server lies in here. */
  readonly folder: string;
  readonly logFile: string;
  /** The superuser's. It is set when the data are made and must be the same ever after. */
  readonly password: string;
  /** The port of last time. When somebody else has it by now, another one is taken. */
  readonly port?: number | undefined;
  /** False trades the safety of the data for speed: tests. */
  readonly durable: boolean;
}

/** A server that takes connections on the loopback. */
export interface Server {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** It ran already, on our data. */
  readonly adopted: boolean;
  /** The superuser's URL of a database. */
  url(database: string): string;
}

// Small: no parallel workers, no replication, no I/O workers, no compiler, buffers that are only touched when needed.
// No socket file: a clone may lie deeper than the 107 characters a socket's path may have, and the one way in that
// works everywhere (TCP on the loopback) asks for a password like any other. A failed statement is not logged: it may
// be one that sets a password.
const SETTINGS = {
  listen_addresses: LOOPBACK,
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  max_connections: '100',
  shared_buffers: '256MB',
  huge_pages: 'off',
  io_method: 'sync',
  jit: 'off',
  max_wal_size: '256MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_parallel_workers_per_gather: '0',
  max_parallel_maintenance_workers: '0',
  max_logical_replication_workers: '0',
  autovacuum_max_workers: '2',
  tcp_keepalives_idle: '30',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] %q%u@%d ',
} as const;
const DURABLE = { fsync: 'on', checkpoint_timeout: '15min' } as const;
const FLEETING = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  checkpoint_timeout: '1h',
} as const;

/**
 * Starts the real server binaries on the data in `folder`, or takes over the server that already runs on them.
 * The server has a session of its own: what ends us, Ctrl-C included, does not end it. {@link stopServer} does.
 *
 * @throws Failure when it cannot, with the server's own words
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const place = prepare(options.folder);
  const running = findPostmaster(place.data);
  const postmaster = running ? await settled(place, running) : undefined;
  if (postmaster) return adopt(place, options, postmaster);
  if (!existsSync(place.data)) initialise(place, options);
  checkVersion(place);
  return start(place, options);
}

/** The server on the data in `folder`, when one runs. */
export function findServer(folder: string): Postmaster | undefined {
  return findPostmaster(join(folder, 'data'));
}

/** Ends a server and its sessions, and returns when nothing of it runs. None to end is success. */
export async function stopServer(folder: string): Promise<void> {
  const running = findServer(folder);
  if (!running) return;
  const gone = (): true | undefined => (isAlive(running.pid) ? undefined : true);
  signal(running.pid, 'SIGINT');
  if (await waitFor(gone, FAST_STOP_MS)) return;
  signal(running.pid, 'SIGQUIT');
  if (!(await waitFor(gone, GONE_MS))) throw new Failure(`PostgreSQL (process ${running.pid}) does not end`);
}

/** A server that is starting up or shutting down becomes one that is ready or gone. */
async function settled(place: Place, running: Postmaster): Promise<Postmaster | undefined> {
  const answer = await waitFor(() => {
    const now = findPostmaster(place.data);
    return now === undefined || now.ready ? { now } : undefined;
  }, START_MS);
  if (!answer) throw new Failure(`PostgreSQL (process ${running.pid}) runs on ${place.data} and does not get ready`);
  return answer.now;
}

async function adopt(place: Place, options: ServerOptions, postmaster: Postmaster): Promise<Server> {
  const server = serverAt(postmaster, options.password, true);
  const client = new pg.Client({ connectionString: server.url('postgres'), connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (cause) {
    const advice = [`Process ${postmaster.pid}, port ${postmaster.port}: ${(cause as Error).message}`];
    throw new Failure(`a PostgreSQL runs on ${place.data} and does not let us in`, advice, cause);
  } finally {
    await client.end().catch(() => undefined);
  }
  return server;
}

function initialise(place: Place, options: ServerOptions): void {
  const making = join(options.folder, 'making');
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { mode: 0o700 });
  const passwordFile = join(making, 'password');
  writeFileSync(passwordFile, options.password, { mode: 0o600 });
  if (place.account) give([making, passwordFile], place.account);
  try {
    runInitdb(place, options, { data: join(making, 'data'), passwordFile });
    renameSync(join(making, 'data'), place.data);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function give(paths: readonly string[], account: Account): void {
  for (const path of paths) chownSync(path, account.uid, account.gid);
}

function runInitdb(place: Place, options: ServerOptions, to: { data: string; passwordFile: string }): void {
  const flags = ['--pgdata', to.data, '--username', SUPERUSER, '--pwfile', to.passwordFile, '--auth', 'scram-sha-256'];
  // The built-in locale is the same on every system, so that data and tests do not depend on what is installed.
  flags.push('--encoding', 'UTF8', '--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8');
  if (!options.durable) flags.push('--no-sync');
  const made = withPlainBinaries(place, (binaries) =>
    spawnSync(join(binaries, 'bin', 'initdb'), flags, { ...identity(place), encoding: 'utf8' }),
  );
  if (made.status === 0) return;
  const words = made.error?.message ?? `${made.stdout}${made.stderr}`;
  throw new Failure('PostgreSQL could not make its data', [...lastLines(words), ...roomAdvice(words)], made.error);
}

function checkVersion(place: Place): void {
  const data = readFileSync(join(place.data, 'PG_VERSION'), 'utf8').trim();
  const version = spawnSync(join(place.binaries, 'bin', 'postgres'), ['--version'], {
    ...identity(place),
    encoding: 'utf8',
  });
  const ours = /\) (\d+)/.exec(version.stdout ?? '')?.[1];
  if (ours === undefined)
    throw new Failure('the PostgreSQL binaries do not run here', lastLines(version.error?.message ?? version.stderr));
  if (ours === data) return;
  throw new Failure(`the data in ${place.data} are PostgreSQL ${data}'s, the installed server is ${ours}`, [
    'Dump and restore them with the old version, or begin anew: npm run reset',
  ]);
}

async function start(place: Place, options: ServerOptions): Promise<Server> {
  let port = options.port !== undefined && (await isFree(options.port)) ? options.port : await freePort();
  let attempts = 0;
  let said = '';
  const postmaster = await waitFor(
    async () => {
      const outcome = await launch(place, options, port);
      if (typeof outcome !== 'string') return outcome;
      said = outcome;
      attempts += 1;
      // Somebody else was faster at the port; or the processes of a killed server have yet to notice that it is gone.
      const mayPass = attempts <= ATTEMPTS && /could not bind|shared memory block .* still in use/.test(outcome);
      if (!mayPass) throw notStarted(outcome);
      if (outcome.includes('could not bind')) port = await freePort();
      return undefined;
    },
    START_MS,
    RETRY_MS,
  );
  if (!postmaster) throw notStarted(said);
  return serverAt(postmaster, options.password, false);
}

/** One attempt: the server when it is ready, or what it said before it ended. */
async function launch(place: Place, options: ServerOptions, port: number): Promise<Postmaster | string> {
  disownStaleFile(place.data);
  const settings = Object.entries({ ...SETTINGS, ...(options.durable ? DURABLE : FLEETING), port: String(port) });
  const flags = ['-D', place.data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const log = openSync(options.logFile, 'a', 0o600);
  const before = statSync(options.logFile).size;
  const stdio = ['ignore', log, log] as const;
  const child = spawn(join(place.binaries, 'bin', 'postgres'), flags, {
    ...identity(place),
    detached: true,
    stdio: [...stdio],
  });
  closeSync(log);
  let ended: string | undefined;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', () => (ended ??= ''));
  child.unref();
  const outcome = await waitFor(() => ended ?? ready(place, child.pid), START_MS);
  if (outcome === '') return readFileSync(options.logFile).subarray(before).toString('utf8');
  if (outcome !== undefined) return outcome;
  child.kill('SIGQUIT');
  return `not ready after ${START_MS / 1_000} s`;
}

function ready(place: Place, pid: number | undefined): Postmaster | undefined {
  const found = findPostmaster(place.data);
  return found?.ready && found.pid === pid ? found : undefined;
}

function identity(place: Place): { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv } {
  const { account } = place;
  return { ...(account && { uid: account.uid, gid: account.gid }), cwd: '/', env: { ...SERVER_ENVIRONMENT } };
}

function serverAt({ pid, port }: Postmaster, password: string, adopted: boolean): Server {
  const url = (database: string): string =>
    `postgres://${SUPERUSER}:${encodeURIComponent(password)}@${LOOPBACK}:${port}/${encodeURIComponent(database)}`;
  return { host: LOOPBACK, port, pid, adopted, url };
}

const notStarted = (words: string): Failure =>
  new Failure('PostgreSQL did not start', [...lastLines(words), ...roomAdvice(words)]);

const lastLines = (words: string): string[] => words.trim().split('\n').slice(-5);

const roomAdvice = (words: string): string[] => (/No space left|ENOSPC/.test(words) ? [DISK_FULL] : []);
