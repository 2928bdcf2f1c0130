import type { GrantRef } from '../provider';
import type { Account } from './account';
import type { Session } from './session';

/** The role of a grant that is being ended. */
export interface Doomed {
  readonly name: string;
  readonly oid: number;
  /** The server's major version. */
  readonly major: number;
}

/** One end in progress: power is taken away before anything is tidied, and each step may be repeated. */
export interface Ending {
  readonly account: Account;
  readonly session: Session;
  /** The process of `session` at the server. */
  readonly backend: number;
  readonly grant: GrantRef;
  readonly role: Doomed;
  readonly steps: string[];
  /** The processes that were told to end, until it is said that they have. */
  readonly cut: Set<number>;
}
