import { execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { paths, type Clone } from '../../scripts/clone';
import { Browser, signInWith } from '../../scripts/demo/browser';
import { stopServer } from '../../scripts/embedded-postgres';
import { freePortNear } from '../../scripts/ports';
import { commandOf, signal } from '../../scripts/processes';
import { allGone, Running } from './fake-clone';

const ROOT = resolve(import.meta.dirname, '../..');
/** What a clone does not bring along; the packages and what is built are put beside it again. */
const NOT_CLONED = ['node_modules', 'dist', '.git', '.curfew', 'coverage'];

/** All of this repository in a folder of its own, installed and built. */
export class RealClone implements Clone {
  readonly root: string;
  readonly home: string;
  /** Nobody else's, so that the address stays the same. */
  readonly #port: number;
  readonly #started: Running[] = [];

  private constructor(port: number) {
    this.#port = port;
    this.root = mkdtempSync(join(tmpdir(), 'a real clone, with spaces '));
    chmodSync(this.root, 0o755); // root's database server is another account, and passes through
    this.home = join(this.root, '.curfew');
    for (const name of readdirSync(ROOT).filter((each) => !NOT_CLONED.includes(each)))
      cpSync(join(ROOT, name), join(this.root, name), { recursive: true });
    cpSync(join(ROOT, 'dist'), join(this.root, 'dist'), {
      recursive: true,
      filter: (from) => basename(from) !== 'lock',
    });
    symlinkSync(join(ROOT, 'node_modules'), join(this.root, 'node_modules'));
  }

  static async make(): Promise<RealClone> {
    return new RealClone(await freePortNear(randomInt(20_000, 30_000)));
  }

  /** What a terminal would do: a group of its own, which gets a Ctrl-C all together. */
  npm(...words: string[]): Running {
    const options = { cwd: this.root, env: this.#environment, detached: true } as const;
    const running = new Running(spawn('npm', words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] }));
    this.#started.push(running);
    return running;
  }

  async start(): Promise<Running> {
    const running = this.npm('start');
    // Twice as long as it may need to build, when somebody has just changed a source.
    await running.says('Ctrl-C stops everything', 90_000);
    return running;
  }

  /** Types a line into a shell; where it asks for a sign-in, `account` signs in with a browser. */
  async types(line: string, account?: string): Promise<{ code: number | null; output: string }> {
    const options = { cwd: this.root, env: this.#environment } as const;
    const shell = spawn('/bin/sh', ['-c', line], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const running = new Running(shell);
    this.#started.push(running);
    let address: string | undefined;
    for await (const said of createInterface({ input: shell.stderr })) {
      const found = account === undefined ? undefined : /https?:\/\/\S+/.exec(said)?.[0];
      if (address !== undefined || found === undefined) continue;
      address = found;
      await signInWith(new Browser(), address, { account: account ?? '', password: this.password(account ?? '') });
    }
    return { code: await running.ended, output: running.output };
  }

  password(subject: string): string {
    const { accounts } = JSON.parse(readFileSync(paths.demo(this), 'utf8')) as {
      accounts: readonly { subject: string; password: string }[];
    };
    return accounts.find((account) => account.subject === subject)?.password ?? '';
  }

  /** The numbers of all processes that have this folder in their command line, those that nobody wrote down included. */
  get pids(): number[] {
    return everyPid().filter((pid) => commandOf(pid).includes(this.root));
  }

  async remove(): Promise<void> {
    for (const { child } of this.#started) child.kill('SIGKILL');
    await stopServer(paths.postgres(this));
    const { pids } = this;
    for (const pid of pids) signal(pid, 'SIGKILL');
    await allGone(pids, 5_000);
    rmSync(this.root, { recursive: true, force: true });
  }

  get #environment(): NodeJS.ProcessEnv {
    const state = join(this.root, 'state');
    const port = String(this.#port);
    return { PATH: process.env['PATH'], HOME: this.root, XDG_STATE_HOME: state, NO_COLOR: '1', PORT: port };
  }
}

function everyPid(): number[] {
  const names =
    process.platform === 'linux'
      ? readdirSync('/proc')
      : execFileSync('ps', ['-A', '-o', 'pid='], { encoding: 'utf8' }).split('\n');
  return names.map(Number).filter((pid) => pid > 0);
}
