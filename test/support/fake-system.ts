import { setImmediate } from 'node:timers/promises';
import type { Leftover } from '@app/providers';

export type Call = 'issue' | 'end' | 'prove' | 'list' | 'check';
/** Where a call can be made to wait: at its next message, or before there is a line to the target at all. */
export type Place = Call | 'dial';
/** `applied-then-timeout`: all of it happened, and nobody learns so. */
export type Failure = 'unavailable' | 'applied-then-timeout' | 'forbidden';

export interface FakeAccount {
  readonly right: string;
  readonly endsAt: Date;
  readonly password: string;
  readonly open: boolean;
  readonly sessions: Set<FakeSession>;
}

/** Somebody who is in. */
export interface FakeSession {
  isAlive(): boolean;
  leave(): void;
}

/** A held call: `reached` when it got there, `release()` lets it go on. */
export interface Held {
  readonly reached: Promise<void>;
  release(): void;
}

interface Line {
  readonly start: string | undefined;
  cut: boolean;
}

/** The target's own side of a {@link FakeTarget}: its accounts, its rules, and what shall go wrong with it. */
export class FakeSystem {
  adminPassword = 'fake-admin-password';
  /** Who it says it is; without it, what it is called. */
  identity: string | undefined;
  /** Nobody answers. */
  away = false;
  /** It asks nobody for a password: whoever knows a name is in. */
  takesAnyPassword = false;
  /** What may be granted. */
  readonly rights = new Set(['read', 'write']);
  readonly accounts = new Map<string, FakeAccount>();
  /** What accounts leave behind that cannot be removed: while there is something, they stay as tombstones. */
  readonly obstacles: Leftover[] = [];
  /** How often each call was begun. */
  readonly calls: Record<Call, number> = { issue: 0, end: 0, prove: 0, list: 0, check: 0 };
  readonly #now: () => Date;
  readonly #lines = new Set<Line>();
  readonly #failures: { failure: Failure; on: Call | undefined }[] = [];
  readonly #stalls: { on: Place | undefined; gate: Promise<void> }[] = [];
  readonly #holds: { on: Place; gate: Promise<void>; reached: () => void }[] = [];

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** @param on the next call of this kind; without it the next call of any kind */
  failNext(failure: Failure, on?: Call): void {
    this.#failures.push({ failure, on });
  }

  /** The next call waits there: a slow answer, or a worker that sleeps. */
  holdNext(on: Place): Held {
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    this.#holds.push({ on, gate: gate.promise, reached: reached.resolve });
    return { reached: reached.promise, release: gate.resolve };
  }

  /** Every call waits there until it is told to go on: a target that answers to nobody. @param on without it, everywhere */
  stall(on?: Place): { goOn(): void } {
    const { promise: gate, resolve } = Promise.withResolvers<void>();
    const stall = { on, gate };
    this.#stalls.push(stall);
    return {
      goOn: () => {
        this.#stalls.splice(this.#stalls.indexOf(stall), 1);
        resolve();
      },
    };
  }

  /** Logs in as the holder does. @throws when the system refuses */
  login(name: string, password: string): FakeSession {
    const account = this.accounts.get(name);
    const opens = this.takesAnyPassword || account?.password === password;
    const right = account?.open === true && opens && this.#now() < account.endsAt;
    if (this.away || !right) throw new Error('login refused');
    const { sessions } = account;
    const session: FakeSession = { isAlive: () => sessions.has(session), leave: () => void sessions.delete(session) };
    sessions.add(session);
    return session;
  }

  /** Makes the account, or gives it a new password: who is in stays in. */
  put(name: string, account: Pick<FakeAccount, 'password' | 'right' | 'endsAt'>): void {
    const sessions = this.accounts.get(name)?.sessions ?? new Set();
    this.accounts.set(name, { ...account, open: true, sessions });
  }

  /** Nobody gets in any more; who is in stays in. */
  close(account: FakeAccount): void {
    for (const [name, one] of this.accounts) if (one === account) this.accounts.set(name, { ...one, open: false });
  }

  endSessions(account: FakeAccount): void {
    account.sessions.clear();
  }

  remove(name: string): Leftover[] {
    if (this.obstacles.length === 0) this.accounts.delete(name);
    return [...this.obstacles];
  }

  nextFailure(call: Call): Failure | undefined {
    this.calls[call] += 1;
    const index = this.#failures.findIndex(({ on }) => on === undefined || on === call);
    return index < 0 ? undefined : this.#failures.splice(index, 1)[0]?.failure;
  }

  /** @param start the name of what the call makes, when it makes something */
  open(start: string | undefined): Line {
    const line = { start, cut: false };
    this.#lines.add(line);
    return line;
  }

  hangUp(line: Line): void {
    this.#lines.delete(line);
  }

  starts(name: string): number {
    return [...this.#lines].filter(({ start }) => start === name).length;
  }

  cutOffStarts(name: string, except: object): void {
    for (const line of this.#lines) {
      if (line.start !== name || line === except) continue;
      line.cut = true;
      this.#lines.delete(line);
    }
  }

  /** The time an answer takes: other calls come in between. */
  async held(place: Place): Promise<void> {
    await setImmediate();
    const index = this.#holds.findIndex(({ on }) => on === place);
    const [hold] = index < 0 ? [] : this.#holds.splice(index, 1);
    hold?.reached();
    await hold?.gate;
    for (const { on, gate } of this.#stalls) if (on === undefined || on === place) await gate;
  }
}
