import type { Secret } from '@app/kernel';
import {
  Provider,
  type CheckReport,
  type Credential,
  type Ended,
  type EndingTraits,
  type EntitlementConfig,
  type GrantRef,
  type Issued,
  type IssueOrder,
  type Listed,
  type Proof,
  type TargetAccess,
} from '../provider';
import type { EndedMany, EndsMany, ToProve } from '../ends-many';
import { TargetNetworks } from '../target-networks';
import { Account } from './account';
import { Budget } from './budget';
import { check } from './check';
import { end } from './end';
import { endMany } from './end-many';
import { issue } from './issue';
import { list } from './list';
import { translated } from './postgres.errors';
import { postgresConnection, postgresEntitlement } from './postgres.schemas';
import { prove, proveMany } from './prove';

/** How long each call may take, in milliseconds, the caller's fence not counted. */
const BUDGET_MS = {
  issue: 30_000,
  end: 60_000,
  endMany: 60_000,
  prove: 20_000,
  proveMany: 60_000,
  list: 20_000,
  check: 60_000,
} as const;

/**
 * PostgreSQL 16 and later (15 only on demand): a role per grant, with the grant's deadline, in a group role of the
 * customer's. docs/providers/postgres.md says what it needs and how it ends.
 */
export class PostgresProvider extends Provider implements EndsMany {
  readonly kind = 'postgres';
  // `VALID UNTIL` ends new logins at the server; what is open then, Curfew ends.
  readonly ending: EndingTraits = { enforcedBy: 'both', endsLiveSessions: true, outlivesBySeconds: 0 };
  readonly connection = postgresConnection;
  readonly entitlement = postgresEntitlement;

  /** @param networks where servers may be besides the ordinary places */
  constructor(private readonly networks = new TargetNetworks()) {
    super();
  }

  issue(target: TargetAccess, order: IssueOrder): Promise<Issued> {
    return this.#bounded('issue', target, (account) => issue(account, order));
  }

  end(target: TargetAccess, grant: GrantRef): Promise<Ended> {
    return this.#bounded('end', target, (account) => end(account, grant));
  }

  prove(target: TargetAccess, grant: GrantRef, proofCopy?: Secret<Credential>): Promise<Proof> {
    return this.#bounded('prove', target, (account) => prove(account, grant, proofCopy));
  }

  endMany(target: TargetAccess, grants: readonly GrantRef[]): Promise<EndedMany> {
    return this.#bounded('endMany', target, (account) => endMany(account, grants));
  }

  proveMany(target: TargetAccess, grants: readonly ToProve[]): Promise<ReadonlyMap<string, Proof>> {
    return this.#bounded('proveMany', target, (account) => proveMany(account, grants));
  }

  list(target: TargetAccess, installation: string): Promise<Listed> {
    return this.#bounded('list', target, (account) => list(account, installation));
  }

  check(target: TargetAccess, entitlements: readonly EntitlementConfig[], now?: Date): Promise<CheckReport> {
    return this.#bounded('check', target, (account) => check(account, entitlements, now));
  }

  async #bounded<T>(
    call: keyof typeof BUDGET_MS,
    target: TargetAccess,
    work: (account: Account) => Promise<T>,
  ): Promise<T> {
    try {
      return await work(new Account(target, new Budget(BUDGET_MS[call]), this.networks));
    } catch (error) {
      throw translated(error);
    }
  }
}
