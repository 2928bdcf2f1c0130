import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { Failure } from './failure.ts';
import { ticks } from './waiting.ts';

export interface Program {
  readonly name: string;
  readonly main: string;
  readonly cwd: string;
  readonly logFile: string;
  /** Asked before each start. */
  environment(): Promise<NodeJS.ProcessEnv>;
  /** Whether it ended, before it was ever ready, for a reason that the next environment does away with. */
  wasUnlucky?(): Promise<boolean>;
}

export type State = 'starting' | 'ready' | 'waiting' | 'stopped';

// A small space for new objects: without it a process that has little to do grows by 30 MB before anything is collected.
const NODE_FLAGS = ['--max-semi-space-size=4', `--import=${new URL('source-maps.mjs', import.meta.url).href}`];
const BACKOFF_MS = [0, 250, 500, 1_000, 2_000];
/** After so long a life an end is a new story, and the next start comes at once again. */
const STEADY_MS = 10_000;
const STOP_MS = 8_000;
const FIRST_ATTEMPTS = 5;
/** As libs/platform's `starting` says that somebody has to mend something first. */
const EXIT_MISCONFIGURED = 78;
const READY_MS = 60_000;
/** What fits a terminal. */
const MOST_LINES = 40;

/**
 * One process that is to run: started again when it ends, at once and then with growing pauses. It tells over its
 * channel when it is ready; when we are gone the channel closes, and it ends by itself.
 */
export class Supervised {
  readonly program: Program;
  readonly ready: Promise<void>;
  state: State = 'stopped';
  address: string | undefined;
  restarts = 0;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #shortLives = 0;
  #wasReady = false;
  #renewing = false;
  #isMissed = false;
  #stopping = false;
  #logFrom = 0;
  readonly #changed: (self: Supervised, note?: string) => void;
  readonly #settle: { resolve: () => void; reject: (failure: Failure) => void };

  /** @param changed hears of every change of state, with a word about it when a person may want to know */
  constructor(program: Program, changed: (self: Supervised, note?: string) => void) {
    this.program = program;
    this.#changed = changed;
    const { promise, ...settle } = Promise.withResolvers<void>();
    this.#settle = settle;
    this.ready = promise;
    this.ready.catch(() => undefined); // whoever waits for it hears it
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it for the first time. {@link ready} tells how that went. */
  start(): void {
    this.#begin();
    const late = (): void => this.#giveUp(`${this.program.name} is not ready after ${READY_MS / 1_000} s`);
    const timer = setTimeout(late, READY_MS).unref();
    this.ready.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
  }

  /** Ends it and starts it anew, with the environment it has by then. That is no failure, and nobody is told of one. */
  renew(): void {
    this.#renewing = this.#child?.kill('SIGTERM') ?? false;
  }

  /** Ends it for good: asked first, and forced after eight seconds. Returns when it is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      child.kill('SIGTERM');
      await gone;
      clearTimeout(force);
    }
    this.#become('stopped');
  }

  /** Ends it without asking. */
  kill(): void {
    this.#stopping = true;
    this.#child?.kill('SIGKILL');
  }

  #begin(): void {
    this.#become('starting');
    this.program.environment().then(
      (env) => this.#stopping || this.#spawn(env),
      (error: Error) => {
        if (!this.#wasReady) return this.#giveUp(`${this.program.name} cannot be started: ${error.message}`);
        this.#shortLives += 1;
        void this.#again(error.message);
      },
    );
  }

  #spawn(env: NodeJS.ProcessEnv): void {
    const log = openSync(this.program.logFile, 'a', 0o600);
    this.#logFrom = statSync(this.program.logFile).size;
    // A session of its own: Ctrl-C reaches us alone, so that we can end everything in order.
    const options = { cwd: this.program.cwd, env, detached: true } as const;
    const command = [...NODE_FLAGS, this.program.main];
    const child = spawn(process.execPath, command, { ...options, stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    const since = ticks();
    this.#child = child;
    child.on('message', (message) => this.#heard(message));
    child.once('error', (error) => this.#ended(since, error.message));
    child.once('exit', (code, signal) => {
      // What ran once may have its files mended while it waits; what never did is answered while somebody looks on.
      if (code === EXIT_MISCONFIGURED && !this.#wasReady) return this.#neverStarts();
      this.#ended(since, signal ? `signal ${signal}` : `code ${code}`);
    });
    this.#changed(this);
  }

  #heard(message: unknown): void {
    const { address, ready } = message as { ready?: unknown; address?: unknown };
    if (ready !== true) return;
    this.address = typeof address === 'string' ? address : undefined;
    this.#become('ready', this.#wasReady && this.#isMissed ? `${this.program.name} is ready again` : undefined);
    this.#wasReady = true;
    this.#isMissed = false;
    this.#settle.resolve();
  }

  #ended(since: number, how: string): void {
    if (!this.#child) return;
    this.#child = undefined;
    if (this.#stopping) return;
    if (this.#renewing) {
      this.#renewing = false;
      return this.#begin();
    }
    this.#shortLives = ticks() - since < STEADY_MS ? this.#shortLives + 1 : 1;
    if (!this.#wasReady && this.#shortLives >= FIRST_ATTEMPTS)
      return this.#giveUp(`${this.program.name} does not start: it ended with ${how}`);
    void this.#again(how);
  }

  #neverStarts(): void {
    this.#child = undefined;
    if (!this.#stopping) this.#giveUp(`${this.program.name} does not start with what it was given`);
  }

  async #again(how: string): Promise<void> {
    const unlucky = !this.#wasReady && (await this.program.wasUnlucky?.()) === true;
    if (this.#stopping) return;
    if (unlucky) return this.#begin();
    this.restarts += 1;
    this.#isMissed = true;
    const pause = BACKOFF_MS[Math.min(this.#shortLives, BACKOFF_MS.length) - 1] ?? 0;
    this.#become('waiting', `${this.program.name} ended with ${how}: starting it again`);
    this.#timer = setTimeout(() => this.#begin(), pause);
  }

  #giveUp(message: string): void {
    const said = readFileSync(this.program.logFile).subarray(this.#logFrom).toString('utf8').trim().split('\n');
    this.#settle.reject(new Failure(message, [...lastWords(said), `All of it: ${this.program.logFile}`]));
  }

  #become(state: State, note?: string): void {
    this.state = state;
    this.#changed(this, note);
  }
}

/** Where it says itself why it does not start, all of that; or else what it said last. */
function lastWords(said: readonly string[]): readonly string[] {
  const from = said.findLastIndex((line) => /^curfew-\w+ does not start: /.test(line));
  if (from < 0) return said.slice(-8);
  const reason = said.slice(from);
  const left = reason.length - MOST_LINES;
  return left > 1 ? [...reason.slice(0, MOST_LINES - 1), `… and ${left} lines more`, ...reason.slice(-1)] : reason;
}
