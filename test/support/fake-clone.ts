import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { markBuilt, sourceHash } from '../../scripts/build';
import { stopServer } from '../../scripts/embedded-postgres';
import { commandOf, isAlive } from '../../scripts/processes';
import type { RunFile } from '../../scripts/run-file';
import { waitFor } from '../../scripts/waiting';

const ROOT = resolve(import.meta.dirname, '../..');
const NAMES = ['api', 'worker', 'timekeeper'] as const;

// What the starter knows of a process, and nothing else: says when it is ready, ends on SIGTERM and with its channel.
const PROCESS = `
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { basename, dirname } from 'node:path';
const name = basename(dirname(process.argv[1]));
const noted = (what) => appendFileSync('trace', name + ' ' + what + '\\n');
const end = async (why) => {
  const database = new URL(process.env.DATABASE_URL);
  const socket = connect(database.port, database.hostname);
  const there = await new Promise((resolve) => socket.on('connect', () => resolve('with')).on('error', () => resolve('without')));
  noted('ended on ' + why + ' ' + there + ' database');
  process.exit(0);
};
writeFileSync('environment-' + name + '.json', JSON.stringify(process.env));
if (existsSync('broken-' + name)) { noted('broken');  console.error('broken on purpose'); process.exit(7); }
const server = createServer((_, reply) => reply.end(existsSync('readyz-' + name) ? readFileSync('readyz-' + name) : 'ok'));
server.on('error', (error) => { console.error(error.message); process.exit(1); });
while (existsSync('held-' + name)) await new Promise((resolve) => setTimeout(resolve, 10));
server.listen(Number(process.env.PORT), process.env.HOST, () => {
  noted('ready');
  process.send({ ready: true, address: 'http://' + process.env.HOST + ':' + server.address().port });
});
process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGINT'));
process.on('disconnect', () => end('disconnect'));
`;
const MIGRATE = `
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
writeFileSync('migrating', '');
while (existsSync('held-migrate')) await new Promise((resolve) => setTimeout(resolve, 10));
if (existsSync('broken-migrate')) { console.error('no such table'); process.exit(1); }
appendFileSync('trace', 'migrated\\n');
`;

/** A folder with the real starter and processes that only do what the starter relies on. */
export class FakeClone {
  readonly root: string;
  readonly #started: ChildProcess[] = [];

  /** @param fill makes another clone of the empty folder than a new one */
  constructor(name = 'a clone, with spaces ', fill?: (root: string) => void) {
    this.root = mkdtempSync(join(tmpdir(), name));
    if (fill) fill(this.root);
    else this.#make();
  }

  #make(): void {
    chmodSync(this.root, 0o755);
    // The starter reads a few files of the libraries; of the apps it starts what is built.
    for (const folder of ['scripts', 'libs']) cpSync(join(ROOT, folder), join(this.root, folder), { recursive: true });
    for (const file of ['package.json', 'package-lock.json', 'nest-cli.json', 'tsconfig.json', 'curfew'])
      cpSync(join(ROOT, file), join(this.root, file));
    symlinkSync(join(ROOT, 'node_modules'), join(this.root, 'node_modules'));
    mkdirSync(join(this.root, 'apps'));
    for (const app of NAMES) this.app(app, PROCESS);
    this.app('migrate', MIGRATE);
    this.app('cli', '');
    markBuilt(this, sourceHash(this));
  }

  /** Another one with all that is in this, as `cp -a` makes it. */
  copy(): FakeClone {
    return new FakeClone('a copy, with spaces ', (to) => execFileSync('cp', ['-a', `${this.root}/.`, to]));
  }

  /** This one at another place; nothing is left here. */
  move(): FakeClone {
    return new FakeClone('a moved clone ', (to) => renameSync(this.root, to));
  }

  get home(): string {
    return join(this.root, '.curfew');
  }

  /** Replaces what is built of one app. */
  app(name: string, source: string): void {
    mkdirSync(join(this.root, 'dist', 'apps', name), { recursive: true });
    writeFileSync(join(this.root, 'dist', 'apps', name, 'main.js'), source);
  }

  /** Runs one of the scripts: `start.ts`, `reset.ts`. */
  run(script: string, options: { flags?: string[]; env?: NodeJS.ProcessEnv; uid?: number } = {}): Running {
    const { env = {}, flags = [], uid } = options;
    return this.#spawn([process.execPath, join(this.root, 'scripts', script), ...flags], env, uid);
  }

  shell(flags: readonly string[], env: NodeJS.ProcessEnv): Running {
    return this.#spawn(['/bin/sh', ...flags], env);
  }

  #spawn([command, ...flags]: readonly [string, ...string[]], env: NodeJS.ProcessEnv, uid?: number): Running {
    const environment = { PATH: process.env['PATH'], HOME: this.root, ...env };
    const child = spawn(command, flags, {
      cwd: this.root,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid !== undefined && { uid, gid: uid }),
    });
    this.#started.push(child);
    return new Running(child);
  }

  async started(options: { env?: NodeJS.ProcessEnv; uid?: number } = {}): Promise<Running> {
    const running = this.run('start.ts', options);
    await running.says('Ctrl-C stops everything');
    return running;
  }

  read(file: string): string {
    return readFileSync(join(this.root, file), 'utf8');
  }

  has(file: string): boolean {
    return existsSync(join(this.root, file));
  }

  write(file: string, text = ''): void {
    writeFileSync(join(this.root, file), text);
  }

  unlink(file: string): void {
    rmSync(join(this.root, file));
  }

  /** Gives the folder to another user. */
  own(uid: number): void {
    const entries = readdirSync(this.root, { recursive: true, withFileTypes: true });
    const inside = entries
      .filter((entry) => !entry.isSymbolicLink())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const path of [this.root, ...inside.filter((name) => !name.includes('node_modules'))])
      chownSync(path, uid, uid);
  }

  get runFile(): RunFile {
    return JSON.parse(this.read('.curfew/run.json')) as RunFile;
  }

  /** What the processes noted, in order. */
  get trace(): string[] {
    return this.has('trace') ? this.read('trace').trim().split('\n') : [];
  }

  /** The numbers of every process of this clone: the starter, its three and the database. */
  get pids(): number[] {
    const { database, pid, processes } = this.runFile;
    return [pid, database?.pid, ...NAMES.map((name) => processes[name]?.pid)].filter((id) => id !== undefined);
  }

  /** Ends what a test left running, and removes the folder. */
  async remove(): Promise<void> {
    const pids = this.has('.curfew/run.json') ? this.pids : [];
    for (const child of this.#started) child.kill('SIGKILL');
    await stopServer(join(this.home, 'postgres'));
    // They write down how they end.
    await allGone(pids, 5_000);
    rmSync(this.root, { recursive: true, force: true });
  }
}

export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => (this.output += data.toString()));
    this.ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  }

  async says(text: string, withinMs = 30_000): Promise<void> {
    const said = (): true | undefined =>
      this.output.includes(text) || this.child.exitCode !== null || this.child.signalCode !== null ? true : undefined;
    await waitFor(said, withinMs);
    if (!this.output.includes(text)) throw new Error(`it never said ${JSON.stringify(text)}, but:\n${this.output}`);
  }
}

/** @returns the numbers that still run when the time is over */
export async function allGone(pids: readonly number[], withinMs: number): Promise<readonly number[]> {
  // One that only waits to be reaped has no command line any more.
  const left = (): number[] => pids.filter((pid) => isAlive(pid) && commandOf(pid) !== '');
  await waitFor(() => (left().length === 0 ? true : undefined), withinMs);
  return left();
}
