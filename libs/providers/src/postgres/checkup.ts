import type { Account } from './account';
import type { PostgresEntitlement } from './postgres.schemas';
import type { Session } from './session';

/** What a server says of itself and of our own account. */
export interface Server {
  readonly version: string;
  readonly major: number;
  readonly clock: Date;
  /** How long the check had taken when the clock was read: the caller's time is as old. */
  readonly readAfterMs: number;
  readonly standby: boolean;
  /** Names of the attributes that our account has. */
  readonly attributes: readonly string[];
  /** The server's own roles (`pg_…`) whose rights our account has or can take, through others too. */
  readonly powers: readonly string[];
}

/** One look at a server, and what is asked of it. */
export interface Checkup {
  readonly account: Account;
  readonly session: Session;
  readonly server: Server;
  readonly entitlements: readonly PostgresEntitlement[];
  readonly now: Date | undefined;
}
