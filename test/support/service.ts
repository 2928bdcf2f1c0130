import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { APPS, type AppName, type Clone } from '../../scripts/clone';
import { Person } from '../../scripts/demo/person';
import { SUPERUSER } from '../../scripts/embedded-postgres';
import { readRun, type RunFile } from '../../scripts/run-file';
import { waitFor } from '../../scripts/waiting';

const START_MS = 60_000;
const STOP_MS = 20_000;

/** All of Curfew as `npm start` starts it: the built processes, a database of their own, the demo. */
export class RunningService {
  readonly clone: Clone;
  readonly #child: ChildProcess;
  readonly #environment: NodeJS.ProcessEnv;
  #said = '';

  private constructor(home: string, more: NodeJS.ProcessEnv) {
    const root = resolve(import.meta.dirname, '../..');
    this.clone = { root, home };
    this.#environment = {
      PATH: process.env['PATH'],
      HOME: home,
      CURFEW_HOME: home,
      XDG_STATE_HOME: join(home, 'state'),
      NO_COLOR: '1',
      LOG_LEVEL: 'debug',
      ...more,
    };
    this.#child = spawn(process.execPath, [join(root, 'scripts/start.ts')], { env: this.#environment, cwd: root });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    }
  }

  static async start(more: NodeJS.ProcessEnv = {}): Promise<RunningService> {
    const service = new RunningService(mkdtempSync(join(tmpdir(), 'curfew e2e ')), more);
    const ready = await waitFor(() => (service.#isReady() ? true : undefined), START_MS, 50);
    if (ready) return service;
    const said = service.#said;
    await service.stop();
    throw new Error(`the service did not start: ${said}`);
  }

  get run(): RunFile {
    const run = readRun(this.clone);
    if (!run) throw new Error('nothing runs');
    return run;
  }

  get url(): string {
    return this.run.url ?? '';
  }

  /** Where a process answers for its health and numbers. */
  address(name: AppName): string {
    return this.run.processes[name]?.address ?? '';
  }

  pid(name: AppName): number {
    const pid = this.run.processes[name]?.pid;
    if (pid === undefined) throw new Error(`${name} does not run`);
    return pid;
  }

  /** Curfew's own database, as its superuser. */
  get databaseUrl(): string {
    const theirs = this.#environment['DATABASE_URL'];
    if (theirs !== undefined) return theirs;
    const file = readFileSync(join(this.clone.home, 'database.json'), 'utf8');
    const { superuserPassword } = JSON.parse(file) as { superuserPassword: string };
    const { host, port } = this.run.database ?? { host: '', port: 0 };
    return `postgresql://${SUPERUSER}:${encodeURIComponent(superuserPassword)}@${host}:${port}/curfew`;
  }

  /** Curfew's own database, as a process enters it. */
  urlOf(name: AppName): string {
    const file = readFileSync(join(this.clone.home, 'database.json'), 'utf8');
    const { passwords } = JSON.parse(file) as { passwords: Record<AppName, string> };
    const url = new URL(this.databaseUrl);
    url.username = `curfew_${name}`;
    url.password = passwords[name];
    return url.href;
  }

  log(name: AppName): string {
    return readFileSync(join(this.clone.home, 'logs', `${name}.log`), 'utf8');
  }

  /** The lines in which the worker says what it said to a target, under one correlation id. */
  calls(correlation: string): Record<string, unknown>[] {
    const lines = this.log('worker')
      .split('\n')
      .filter((line) => line.startsWith('{'));
    const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    return said.filter((line) => line['msg'] === 'provider call' && line['correlation'] === correlation);
  }

  /** A person with a command line, signed in. */
  async person(subject: string, profile = subject): Promise<Person> {
    const person = new Person(this.clone, profile, this.#environment);
    await person.signIn(this.password(subject), subject);
    return person;
  }

  /** The same command line, before anybody signed in. */
  stranger(profile = 'nobody'): Person {
    return new Person(this.clone, profile, this.#environment);
  }

  /** Of somebody who has signed in on the command line: for ten minutes. */
  accessToken(profile: string): string {
    const state = join(this.clone.home, 'state');
    const file = readdirSync(state, { recursive: true, encoding: 'utf8' }).find(
      (each) => each.includes(`${profile}@`) && each.endsWith('sign-in.json'),
    );
    return (JSON.parse(readFileSync(join(state, file ?? ''), 'utf8')) as { accessToken: string }).accessToken;
  }

  password(subject: string): string {
    const file = JSON.parse(readFileSync(join(this.clone.home, 'demo.json'), 'utf8')) as {
      accounts: { subject: string; password: string }[];
    };
    return file.accounts.find((account) => account.subject === subject)?.password ?? '';
  }

  /** Ends a process the hard way; the starter starts another one. */
  kill(name: AppName): void {
    process.kill(this.pid(name), 'SIGKILL');
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise<true>((done) => this.#child.once('exit', () => done(true)));
      this.#child.kill('SIGINT');
      if (!(await Promise.race([ended, waitFor(() => undefined, STOP_MS)]))) this.#child.kill('SIGKILL');
    }
    rmSync(this.clone.home, { recursive: true, force: true });
  }

  #isReady(): boolean {
    const run = readRun(this.clone);
    return APPS.every((name) => run?.processes[name]?.state === 'ready');
  }
}
