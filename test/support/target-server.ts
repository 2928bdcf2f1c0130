import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, LOOPBACK } from '../../scripts/ports';
import { prepare, SERVER_ENVIRONMENT, type Account } from '../../scripts/postgres-place';
import { signal } from '../../scripts/processes';
import { waitFor } from '../../scripts/waiting';

const START_MS = 60_000;
const STOP_MS = 10_000;
const TLS = join(import.meta.dirname, 'tls');

/** The authority that signed the certificate of {@link TargetServer} for `db.curfew.test`. */
export const TEST_AUTHORITY = readFileSync(join(TLS, 'ca.pem'), 'utf8');

// Databases called `trusting…` are open to everybody, as in a pg_hba.conf that somebody forgot.
const HBA = `
host    all              postgres  127.0.0.1/32 scram-sha-256
host    "/^trusting"     all       127.0.0.1/32 trust
host    "/^unreachable"  all       127.0.0.1/32 reject
host    "/^cleartext"    all       127.0.0.1/32 password
host    all              all       127.0.0.1/32 scram-sha-256
host    replication      postgres  127.0.0.1/32 scram-sha-256
`;
// 15 takes no patterns for databases.
const HBA_15 = HBA.replaceAll(/"\/\^(\w+)"/g, '$1');

export interface TargetServerOptions {
  /** A folder with `initdb` and `postgres`; without it the embedded ones. */
  readonly binaries?: string | undefined;
  /** On top of, or in place of, what every one has. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where its own folder is made; without it where temporary ones are. */
  readonly parent?: string;
  /** Of a disk of its own for its data, which only root can have. */
  readonly megabytes?: number;
}

/** A real PostgreSQL that a test may do anything to: a target of Curfew's, not Curfew's own database. */
export class TargetServer {
  readonly host = LOOPBACK;
  readonly superuser = 'postgres';
  superuserPassword = randomBytes(18).toString('base64url');
  readonly #folder: string;
  readonly #binaries: string;
  readonly #account: Account | undefined;
  readonly #data: string;
  readonly #disk: string | undefined;
  #process: ChildProcess | undefined;
  readonly #settings: Readonly<Record<string, string>>;
  #guardian: ChildProcess | undefined;
  port = 0;

  private constructor({ binaries, settings = {}, parent = tmpdir(), megabytes }: TargetServerOptions) {
    this.#settings = settings;
    this.#folder = mkdtempSync(join(parent, 'curfew-target-'));
    chmodSync(this.#folder, 0o711);
    if (megabytes !== undefined) {
      this.#disk = join(this.#folder, 'server');
      mkdirSync(this.#disk);
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', this.#disk]);
    }
    const place = prepare(join(this.#folder, 'server'));
    this.#account = place.account;
    this.#data = place.data;
    this.#binaries = binaries ?? join(place.binaries, 'bin');
  }

  static async start(binaries?: string, options: TargetServerOptions = {}): Promise<TargetServer> {
    const server = new TargetServer({ binaries, ...options });
    try {
      server.#initialise();
      await server.#launch();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  // `port`: where the standby finds the primary, when there is something in between.
  /** A standby of another one that follows it: from a cold copy of its data, for which that is stopped for a moment. */
  static async following(primary: TargetServer, port = primary.port): Promise<TargetServer> {
    const standby = new TargetServer({ binaries: primary.#binaries, settings: primary.#settings });
    standby.superuserPassword = primary.superuserPassword;
    try {
      await primary.#end('SIGINT');
      const copied = spawnSync('cp', ['-a', primary.#data, standby.#data], { encoding: 'utf8' });
      if (copied.status !== 0) throw new Error(`the data could not be copied: ${copied.stderr}`);
      const { host, superuser, superuserPassword } = primary;
      const line = `host=${host} port=${port} user=${superuser} password=${superuserPassword} application_name=standby`;
      writeFileSync(join(standby.#data, 'standby.signal'), '');
      appendFileSync(join(standby.#data, 'postgresql.auto.conf'), `primary_conninfo = '${line}'\n`);
      await primary.#launch();
      await standby.#launch();
      return standby;
    } catch (error) {
      await standby.stop();
      throw error;
    }
  }

  get log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8');
  }

  /** A connection of the superuser. The caller ends it. */
  async connect(database = 'postgres', as?: { user: string; password: string }): Promise<pg.Client> {
    const user = as?.user ?? this.superuser;
    const password = as?.password ?? this.superuserPassword;
    const client = new pg.Client({ host: this.host, port: this.port, database, user, password, ssl: false });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Statements of the superuser, one after the other. @returns the rows of the last */
  async sql<Row extends object>(database: string, ...statements: string[]): Promise<Row[]> {
    const client = await this.connect(database);
    try {
      let rows: Row[] = [];
      for (const statement of statements) rows = (await client.query(statement)).rows as Row[];
      return rows;
    } finally {
      await client.end();
    }
  }

  /** Lets it hang: connections are taken and nothing is answered. */
  hang(): void {
    const postmaster = this.#process?.pid;
    if (postmaster === undefined) return;
    const frozen = new Set<number>();
    // The one that makes new processes first. The signal may take a moment to stop it: until there is nobody new.
    for (let fresh = [postmaster]; fresh.length > 0; fresh = this.#children().filter((pid) => !frozen.has(pid)))
      for (const pid of fresh) {
        signal(pid, 'SIGSTOP');
        frozen.add(pid);
      }
  }

  resume(): void {
    const postmaster = this.#process?.pid;
    if (postmaster === undefined) return;
    for (const pid of [...this.#children(), postmaster]) signal(pid, 'SIGCONT');
  }

  /** From one moment to the next, as when its machine is gone. */
  async kill(): Promise<void> {
    const server = this.#process;
    this.hang();
    for (const pid of [server?.pid, ...this.#children()]) if (pid !== undefined) signal(pid, 'SIGKILL');
    await waitFor(() => (server?.signalCode === null ? undefined : true), STOP_MS);
  }

  /** Starts it again on the same data. A standby takes no changes, and follows nobody. */
  async restart({ standby }: { standby: boolean }): Promise<void> {
    await this.#end('SIGINT');
    const mark = join(this.#data, 'standby.signal');
    rmSync(mark, { force: true });
    if (standby) writeFileSync(mark, '');
    await this.#launch();
  }

  /** Leaves no room on its disk. @returns makes room again */
  fillDisk(): () => void {
    if (this.#disk === undefined) throw new Error('it has no disk of its own');
    const filler = join(this.#disk, 'filler');
    // As much as fits: that it does not all fit is the point.
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { stdio: 'ignore' });
    return () => rmSync(filler);
  }

  /** Stops it, and leaves what it holds. Whoever is in is cut off. */
  down(): Promise<void> {
    return this.#end('SIGINT');
  }

  up(): Promise<void> {
    return this.#launch();
  }

  async stop(): Promise<void> {
    await this.#end('SIGQUIT');
    if (this.#disk !== undefined) execFileSync('umount', ['--lazy', this.#disk]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Whatever it does, and though it hangs: what does not end when it is told to is killed. */
  async #end(how: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const server = this.#process;
    const gone = (): true | undefined => ((server?.exitCode ?? server?.signalCode ?? null) === null ? undefined : true);
    if (server?.pid !== undefined && !gone()) {
      this.resume();
      signal(server.pid, how);
      if (!(await waitFor(gone, STOP_MS))) {
        for (const pid of [server.pid, ...this.#children()]) signal(pid, 'SIGKILL');
        await waitFor(gone, STOP_MS);
      }
    }
    if (this.#guardian?.pid) signal(-this.#guardian.pid, 'SIGKILL');
    this.#guardian = undefined;
  }

  #children(): number[] {
    const { stdout } = spawnSync('pgrep', ['-P', String(this.#process?.pid)], { encoding: 'utf8' });
    return stdout.split('\n').filter(Boolean).map(Number);
  }

  #initialise(): void {
    const passwordFile = join(this.#folder, 'password');
    writeFileSync(passwordFile, this.superuserPassword, { mode: 0o600 });
    this.#give(passwordFile);
    const flags = ['-D', this.#data, '-U', this.superuser, '--pwfile', passwordFile, '--auth', 'scram-sha-256'];
    flags.push('--encoding', 'UTF8', '--locale', 'C', '--no-sync');
    const made = spawnSync(join(this.#binaries, 'initdb'), flags, { ...this.#identity(), encoding: 'utf8' });
    rmSync(passwordFile);
    if (made.status !== 0) throw new Error(`initdb: ${made.error?.message ?? made.stderr}`);
    const major = Number(readFileSync(join(this.#data, 'PG_VERSION'), 'utf8'));
    writeFileSync(join(this.#data, 'pg_hba.conf'), major < 16 ? HBA_15 : HBA);
    for (const file of ['server.key', 'server.pem']) {
      copyFileSync(join(TLS, file), join(this.#data, file));
      chmodSync(join(this.#data, file), 0o600);
      this.#give(join(this.#data, file));
    }
  }

  async #launch(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const settings = {
      port: String(this.port),
      listen_addresses: this.host,
      unix_socket_directories: '',
      max_connections: '200',
      max_prepared_transactions: '10',
      fsync: 'off',
      log_statement: 'all',
      ssl: 'on',
      ssl_cert_file: 'server.pem',
      ssl_key_file: 'server.key',
      ...this.#settings,
    };
    const flags = [
      '-D',
      this.#data,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ];
    const script =
      'cat; pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid"; umount -l "$0/server" 2>/dev/null; rm -rf "$0"';
    this.#guardian = spawn('/bin/sh', ['-c', script, this.#folder, this.#data], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#guardian.unref();
    const log = openSync(join(this.#folder, 'log'), 'a', 0o600);
    const server = spawn(join(this.#binaries, 'postgres'), flags, {
      ...this.#identity(),
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#process = server;
    const ready = await waitFor(
      async () => {
        if (server.exitCode !== null) throw new Error(`postgres: ${this.log}`);
        const client = await this.connect().catch(() => undefined);
        await client?.end();
        return client && true;
      },
      START_MS,
      50,
    );
    if (!ready) throw new Error('postgres does not start');
  }

  #give(path: string): void {
    if (this.#account) chownSync(path, this.#account.uid, this.#account.gid);
  }

  #identity(): { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv } {
    const account = this.#account;
    return { ...(account && { uid: account.uid, gid: account.gid }), cwd: '/', env: { ...SERVER_ENVIRONMENT } };
  }
}
