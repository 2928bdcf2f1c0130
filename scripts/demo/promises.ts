import type { Terminal } from '../terminal.ts';

/** What was promised and what was seen; a story with a broken promise ends with an error. */
export class Promises {
  #broken = 0;

  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** @param seen what was seen, in words */
  check(kept: boolean, promise: string, seen: string): void {
    if (kept) return this.#terminal.done(`${promise} ${this.#terminal.dim(`(${seen})`)}`);
    this.#broken += 1;
    this.#terminal.fail(`BROKEN: ${promise}`, [seen]);
  }

  get broken(): number {
    return this.#broken;
  }
}
