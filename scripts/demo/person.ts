import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Clone } from '../clone.ts';
import { Browser, signInWith } from './browser.ts';

/** No command of the demo takes as long: one that waits for an answer that never comes is ended. */
const COMMAND_MS = 60_000;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly said: string;
}

/** Somebody who works with Curfew through its command line, with a state folder of their own. */
export class Person {
  readonly profile: string;
  readonly #clone: Clone;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal | undefined;

  /** @param signal ends what runs, when nobody waits for it any more */
  constructor(clone: Clone, profile: string, environment: NodeJS.ProcessEnv, signal?: AbortSignal) {
    this.#clone = clone;
    this.profile = profile;
    this.#environment = environment;
    this.#signal = signal;
  }

  /** Signs in through the device flow; the demo plays the browser. */
  async signIn(password: string, account = this.profile): Promise<void> {
    const login = spawn(this.#command, this.#words(['login']), {
      ...this.#options,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve, reject) => login.once('error', reject).once('close', resolve));
    ended.catch(() => undefined); // heard when it is asked for
    login.stdout.resume();
    for await (const line of createInterface({ input: login.stderr })) {
      const address = /https?:\/\/\S+/.exec(line)?.[0];
      if (address) await signInWith(new Browser(), address, { account, password });
    }
    const code = await ended;
    if (code !== 0) throw new Error(`${this.profile} could not sign in: exit code ${code}`);
  }

  /** Runs a command and returns the JSON it prints. @throws with what it said when it fails */
  async run<T = unknown>(...words: string[]): Promise<T> {
    const { code, out, said } = await this.attempt(...words);
    if (code !== 0) throw new Error(`curfew ${words.join(' ')} ended with ${code}: ${said}`);
    return JSON.parse(out) as T;
  }

  /** Runs a command that may fail. */
  attempt(...words: string[]): Promise<Outcome> {
    return this.plain('--json', ...words);
  }

  /** Runs a command for a person to read, without a terminal. */
  plain(...words: string[]): Promise<Outcome> {
    return new Promise((resolve) => {
      execFile(this.#command, this.#words(words), this.#options, (error, out, said) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, out, said });
      });
    });
  }

  get #options(): { env: NodeJS.ProcessEnv; timeout: number; signal?: AbortSignal } {
    return { env: this.#environment, timeout: COMMAND_MS, ...(this.#signal && { signal: this.#signal }) };
  }

  get #command(): string {
    return `${this.#clone.root}/curfew`;
  }

  #words(words: readonly string[]): string[] {
    return ['--profile', this.profile, ...words];
  }
}
