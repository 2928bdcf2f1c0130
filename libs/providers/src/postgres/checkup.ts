import type { CheckFinding } from '../provider';
import type { Account } from './account';
import type { Excess } from './group-roles';
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
  /** It is the role that the server was made with: it stays what it is. */
  readonly isFirst: boolean;
  /** Somebody else who may log in is a superuser. */
  readonly hasOtherSuperuser: boolean;
  /** Roles of grants, which our account did not make as what it should be: only a superuser may end them. */
  readonly grantsOfSuperuser: number;
}

/** One look at a server, and what is asked of it. */
export interface Checkup {
  readonly account: Account;
  readonly session: Session;
  readonly server: Server;
  readonly memberships: Memberships;
  /** What each group role lends that no grant may have. */
  readonly excess: ReadonlyMap<string, readonly Excess[]>;
  readonly entitlements: readonly PostgresEntitlement[];
  readonly now: Date | undefined;
}

/** What our account has through roles that it is a member of. */
export interface Memberships {
  readonly excess: readonly CheckFinding[];
  /** Roles whose rights it has by itself, and those that it can become, when the excess is gone. It is one of them. */
  readonly usable: readonly string[];
  readonly becomes: readonly string[];
}

/** The entitlements whose group roles may be lent: nothing is proposed for the others. */
export const lendable = ({ entitlements, excess, account }: Checkup): readonly PostgresEntitlement[] =>
  entitlements.filter(
    ({ groupRole }) => groupRole !== account.connection.objectsOwner && !excess.get(groupRole)?.length,
  );
