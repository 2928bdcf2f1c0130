import { Secret } from '@app/kernel';
import { LocalKeySealer } from '@app/platform';
import { proofContext } from '../../libs/access/src/credentials.service';
import { DEMO_ADMIN, DEMO_DATABASE } from '../../scripts/demo-target';
import type { BenchStage } from './stage';

const GROUP_ROLE = 'orders_read';
const AT_ONCE = 500;
const FOR_LONG = "interval '30 days'";

/** A grant that ends, as the bench made it. */
export interface Mortal {
  readonly id: string;
  readonly role: string;
  /** Milliseconds since 1970, on the clock of the machine. */
  readonly endsAt: number;
}

export interface Endings {
  readonly count: number;
  /** From now to the first deadline. */
  readonly inMs: number;
  /** From the first deadline to the last; 0: all in one instant. */
  readonly overMs: number;
  /** How many of them, the first, were picked up: their login is tried. */
  readonly pickedUp?: number;
  /** Without it there is nothing at the target: nothing but the decision is measured. */
  readonly roles?: boolean;
}

/** What everybody of the bench could log in with. */
export const PASSWORD = 'bench-3f9a0c7d51b84e26';

/** Fills the tables with grants that live, past the path that makes them one by one. */
export class Population {
  constructor(private readonly stage: BenchStage) {}

  /** Grants that go on for long. */
  async living(count: number): Promise<void> {
    await this.#insert(count, `clock_timestamp() + ${FOR_LONG} + n * interval '1 second'`);
    await this.stage.database.query('VACUUM ANALYZE');
  }

  /** Requests of one person that were decided long ago, a minute apart. */
  async asked(count: number): Promise<void> {
    await this.#past((query) =>
      query(
        `WITH offer AS (SELECT e.id FROM entitlements e JOIN targets t ON t.id = e.target_id WHERE e.name = 'read' AND t.name = 'orders-db'),
              asked AS (INSERT INTO requests (identity_id, state, revision, duration_seconds, reason_commitment, scope_hash, policy_version, signed_in_at, created_at, lapses_at, decided_at)
                SELECT (SELECT id FROM identities WHERE subject = 'ada'), 'denied', 2, 3600, sha256('bench'), sha256('bench'), 'bench', at, at, at, at
                FROM (SELECT clock_timestamp() - n * interval '1 minute' AS at FROM generate_series(1, $1::int) n) AS times RETURNING id, created_at),
              named AS (INSERT INTO request_entitlements (request_id, created_at, entitlement_id, position) SELECT asked.id, asked.created_at, offer.id, 0 FROM asked, offer)
         INSERT INTO request_paths (request_id, created_at, entitlement_id, policy, approvals_needed, approver_group)
         SELECT asked.id, asked.created_at, offer.id, 'bench', 1, 'orders-owners' FROM asked, offer`,
        [count],
      ),
    );
    await this.stage.database.query('VACUUM ANALYZE');
  }

  /** Grants whose time is over soon. */
  async mortal({ count, inMs, overMs, pickedUp = 0, roles = false }: Endings): Promise<Mortal[]> {
    const step = overMs / count;
    const first = Date.now() + inMs;
    const grants = await this.#insert(count, `to_timestamp($2 / 1000.0) + n * $3::float8 * interval '1 millisecond'`, [
      first,
      step,
    ]);
    if (roles) await this.#makeRoles(grants);
    await this.#handOver(grants.slice(0, pickedUp));
    if (Date.now() > first) throw new Error('the bench was too slow to prepare what it measures');
    return grants;
  }

  async #insert(count: number, endsAt: string, more: readonly number[] = []): Promise<Mortal[]> {
    return this.#past(async (query) => {
      const rows = await query<{ id: string; role: string; ends_at: Date }>(
        `WITH offer AS (SELECT e.id, e.target_id FROM entitlements e JOIN targets t ON t.id = e.target_id WHERE e.name = 'read' AND t.name = 'orders-db'),
              person AS (SELECT id FROM identities LIMIT 1),
              asked AS (INSERT INTO requests (identity_id, state, revision, duration_seconds, reason_commitment, scope_hash, policy_version, signed_in_at, lapses_at, decided_at)
                SELECT person.id, 'approved', 2, 31622400, sha256('bench'), sha256('bench'), 'bench', clock_timestamp(), clock_timestamp(), clock_timestamp()
                FROM person, generate_series(1, $1::int) RETURNING id, identity_id),
              numbered AS (SELECT *, row_number() OVER () AS n FROM asked)
         INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, state, revision, duration_seconds, activate_by, ends_at, activated_at)
         SELECT numbered.id, sha256('bench'), identity_id, offer.target_id, offer.id, 'active', 3, 31622400, ${endsAt}, ${endsAt}, clock_timestamp()
         FROM numbered, offer
         RETURNING id, 'curfew-' || (SELECT left(id::text, 8) FROM installation) || '-' || id AS role, ends_at`,
        [count, ...more],
      );
      return rows.map(({ id, role, ends_at: at }) => ({ id, role, endsAt: at.getTime() }));
    });
  }

  /** As they are when our own account has made them, but with one round of SCRAM: only their end is measured. */
  async #makeRoles(grants: readonly Mortal[]): Promise<void> {
    const client = await this.stage.target.connect();
    try {
      await client.query('SET scram_iterations = 1');
      await client.query(`CREATE ROLE bench PASSWORD '${PASSWORD}'`);
      const { rows } = await client.query<{ verifier: string }>(
        `SELECT rolpassword AS verifier FROM pg_authid WHERE rolname = 'bench'`,
      );
      await client.query('DROP ROLE bench');
      const statements = grants.map(
        ({ role, endsAt }) =>
          `CREATE ROLE "${role}" LOGIN CONNECTION LIMIT 5 PASSWORD '${rows[0]!.verifier}' VALID UNTIL '${new Date(endsAt).toISOString()}';
           GRANT "${role}" TO ${DEMO_ADMIN} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
           GRANT ${GROUP_ROLE} TO "${role}" WITH INHERIT TRUE, SET FALSE GRANTED BY ${DEMO_ADMIN};
           COMMENT ON ROLE "${role}" IS '${role}';`,
      );
      for (let at = 0; at < statements.length; at += AT_ONCE)
        await client.query(`BEGIN; ${statements.slice(at, at + AT_ONCE).join('\n')} COMMIT`);
    } finally {
      client.release(true);
    }
  }

  /** Their credentials, picked up, with the copy that only the prover opens. */
  async #handOver(grants: readonly Mortal[]): Promise<void> {
    const sealer = LocalKeySealer.fromFile(this.stage.proofKey);
    const copies = await Promise.all(
      grants.map(({ id, role }) => {
        const fields = { database: DEMO_DATABASE, username: role, password: PASSWORD };
        return sealer.seal(new Secret(JSON.stringify({ fields, environment: {} })), proofContext(id, 1));
      }),
    );
    await this.#past((query) =>
      query(
        `INSERT INTO credentials (grant_id, version, state, revision, proof_sealed, picked_up_at)
         SELECT id, 1, 'picked_up', 2, copy, clock_timestamp() FROM unnest($1::uuid[], $2::bytea[]) AS made (id, copy)`,
        [grants.map(({ id }) => id), copies],
      ),
    );
  }

  /** Past the triggers: what is measured is what comes after. */
  async #past<T>(
    work: (query: <R extends object>(sql: string, values?: unknown[]) => Promise<R[]>) => Promise<T>,
  ): Promise<T> {
    const client = await this.stage.database.connect();
    try {
      await client.query('SET session_replication_role = replica');
      return await work(async (sql, values) => (await client.query(sql, values)).rows);
    } finally {
      client.release(true);
    }
  }
}
