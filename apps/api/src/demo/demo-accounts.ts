import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import { AppError, Secret } from '@app/kernel';
import type { DemoAccount } from './demo-file';

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);
const KEY_BYTES = 32;
// About 0.1 s each.
const COST = { N: 32_768, r: 8, p: 1, maxmem: 64 * 1_024 * 1_024 } as const;
const MAX_WAITING = 16;

export class TooManySignIns extends AppError {
  constructor() {
    super({
      kind: 'limited',
      code: 'demo.too_many_sign_ins',
      message: 'too many people are signing in at once',
      advice: 'Wait a moment, then try again.',
    });
  }
}

interface Verifier {
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** The accounts of the embedded provider. Passwords are checked one after the other, slowly, and as slowly for nobody. */
export class DemoAccounts {
  readonly #bySubject: ReadonlyMap<string, DemoAccount>;
  readonly #verifiers = new Map<string, Verifier>();
  readonly #nobody: Verifier = { salt: randomBytes(16), key: randomBytes(KEY_BYTES) };
  /** Checks come one after the other, and after the passwords are derived. */
  #last: Promise<unknown>;
  #waiting = 0;

  constructor(accounts: readonly DemoAccount[]) {
    this.#bySubject = new Map(accounts.map((account) => [account.subject, account]));
    this.#last = this.#prepare(accounts).catch(() => undefined);
  }

  find(subject: string): Omit<DemoAccount, 'password'> | undefined {
    return this.#bySubject.get(subject);
  }

  /** @throws TooManySignIns */
  async verify(subject: string, password: Secret<string>): Promise<boolean> {
    if (this.#waiting >= MAX_WAITING) throw new TooManySignIns();
    this.#waiting += 1;
    const checked = this.#last.then(() => this.#check(subject, password));
    this.#last = checked.catch(() => undefined);
    try {
      return await checked;
    } finally {
      this.#waiting -= 1;
    }
  }

  async #prepare(accounts: readonly DemoAccount[]): Promise<void> {
    for (const { subject, password } of accounts) {
      const salt = randomBytes(16);
      this.#verifiers.set(subject, { salt, key: await derive(password.reveal(), salt, KEY_BYTES, COST) });
    }
  }

  async #check(subject: string, password: Secret<string>): Promise<boolean> {
    const { salt, key } = this.#verifiers.get(subject) ?? this.#nobody;
    const derived = await derive(password.reveal(), salt, KEY_BYTES, COST);
    return timingSafeEqual(derived, key) && this.#verifiers.has(subject);
  }
}
