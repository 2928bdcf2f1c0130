import { inspect } from 'node:util';

const REDACTED = '[secret]';

/**
 * A value that must not be seen by accident: strings, JSON and inspection show a placeholder.
 * `reveal()` is the only way out, and easy to search for.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
