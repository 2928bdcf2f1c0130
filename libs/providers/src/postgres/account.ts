import { objectName, type GrantRef, type TargetAccess } from '../provider';
import type { TargetNetworks } from '../target-networks';
import type { Budget } from './budget';
import { SQLSTATE, sqlState } from './postgres.errors';
import { postgresConnection } from './postgres.schemas';
import { Session, type ServerAddress, type Way } from './session';

/** A server as our own account sees it, for the length of one call. */
export class Account {
  readonly connection: ServerAddress;
  readonly #target: TargetAccess;
  readonly budget: Budget;

  constructor(target: TargetAccess, budget: Budget, networks: TargetNetworks) {
    this.connection = { ...postgresConnection.parse(target.connection), networks };
    this.#target = target;
    this.budget = budget;
  }

  /** @param database the one to enter; without it the one in which roles are managed */
  with<T>(applicationName: string, work: (session: Session) => Promise<T>, database?: string): Promise<T> {
    const way: Way = {
      connection: this.connection,
      user: this.connection.user,
      password: this.#target.password,
      database: database ?? this.connection.database,
      applicationName,
    };
    return Session.with(way, this.budget, work);
  }
}

/**
 * The names of our connections for a grant. Whoever ends it cuts off those that make something ({@link cutOffStarts}),
 * and for that must not have the same name: two enders would shoot each other for ever.
 */
export const connectionNames = {
  start: (grant: GrantRef): string => objectName(grant),
  end: (grant: GrantRef): string => `${objectName(grant)}-end`,
  proof: (grant: GrantRef): string => `${objectName(grant)}-proof`,
  endMany: (grants: readonly GrantRef[]): string => `curfew-${grants[0]?.installation ?? ''}-many-end`,
  proveMany: (grants: readonly GrantRef[]): string => `curfew-${grants[0]?.installation ?? ''}-many-proof`,
} as const;

const CUT_OFF_MS = 5_000;

/**
 * Ends other connections of our own account that are making something for the grant, and returns when they are gone:
 * such a worker may have lost its lease in its sleep. A transaction it began is rolled back.
 *
 * @returns how many there were
 */
export async function cutOffStarts(session: Session, budget: Budget, grant: GrantRef): Promise<number> {
  const cutOff = new Set<number>();
  const noneLeft = async (): Promise<boolean> => {
    const rows = await session.query<{ pid: number }>(
      `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = current_user AND application_name = $1 AND pid <> pg_backend_pid()`,
      [connectionNames.start(grant)],
    );
    for (const { pid } of rows) cutOff.add(pid);
    return rows.length === 0;
  };
  await budget.until(noneLeft, CUT_OFF_MS, 'start_not_cut_off');
  return cutOff.size;
}

/**
 * Which server this is, whatever its address: the system identifier that was drawn when its data were made. Receipts and
 * proofs name it. (A restored copy has the same.)
 */
export async function serverIdentity(session: Session): Promise<string> {
  const query = 'SELECT system_identifier::text AS id FROM pg_control_system()';
  try {
    return (await session.one<{ id: string }>(query)).id;
  } catch (error) {
    if (sqlState(error) === SQLSTATE.insufficientPrivilege) return 'not shown to us';
    throw error;
  }
}
