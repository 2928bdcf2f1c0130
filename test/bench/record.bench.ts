import pMap from 'p-map';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ticks } from '../../scripts/waiting';
import { rated, report, rounds, ROUNDS } from './figures';
import { SIZES } from './goals';
import { BenchStage } from './stage';

const { changed, atOnce } = SIZES;

/** A table of which each row is changed once. */
interface Changes {
  /** @returns the ids of the rows */
  readonly prepare: string;
  readonly change: (id: string) => string;
}

const made = (table: string): string =>
  `INSERT INTO ${table} (identity_id, state, duration_seconds, reason_commitment, scope_hash, policy_version, signed_in_at, lapses_at)
   SELECT (SELECT id FROM identities LIMIT 1), 'pending', 600, sha256('bench'), sha256('bench'), 'bench', clock_timestamp(), clock_timestamp() + interval '1 hour'
   FROM generate_series(1, ${changed}) RETURNING id`;
const SETTINGS = `SELECT set_config('curfew.actor', 'bench', true), set_config('curfew.correlation', 'bench', true)`;
const withdrawn = (table: string, id: string): string =>
  `UPDATE ${table} SET state = 'withdrawn', revision = revision + 1, decided_at = clock_timestamp() WHERE id = '${id}'`;

const RECORDED: Changes = {
  prepare: made('requests'),
  change: (id) => `BEGIN; ${SETTINGS}; ${withdrawn('requests', id)}; COMMIT`,
};
/** The same row, indexes and checks, and an event of the same size that somebody else has put together. */
const BARE: Changes = {
  prepare: made('bare'),
  change: (id) =>
    `BEGIN; ${SETTINGS}; ${withdrawn('bare', id)};
     INSERT INTO bare_events (subject_kind, subject_id, sequence, from_state, to_state, at, actor, correlation, canonical)
     VALUES ('request', '${id}', 2, 'pending', 'withdrawn', clock_timestamp(), 'bench', 'bench', convert_to(repeat('x', 600), 'UTF8')); COMMIT`,
};

describe('the record', () => {
  let stage: BenchStage;
  beforeAll(async () => {
    stage = await BenchStage.begin('PostgreSQL', {}, { commitTimes: false });
    await stage.service.person('ada');
    await stage.database.query('CREATE TABLE bare (LIKE requests INCLUDING ALL)');
    await stage.database.query('CREATE TABLE bare_events (LIKE audit_events INCLUDING ALL)');
  });
  afterAll(() => stage?.end());

  /** @returns how many in a second */
  const changes = async ({ prepare, change }: Changes): Promise<number> => {
    const pool = new pg.Pool({
      connectionString: stage.service.databaseUrl,
      max: atOnce,
      options: '-c curfew.actor=bench -c curfew.correlation=bench',
    });
    try {
      const { rows } = await pool.query<{ id: string }>(prepare);
      const begunAt = ticks();
      await pMap(rows, ({ id }) => pool.query(change(id)), { concurrency: atOnce });
      return (rows.length * 1_000) / (ticks() - begunAt);
    } finally {
      await pool.end();
    }
  };

  it('state changes per second', async () => {
    const seen = await rounds('changes', async () => ({ floor: await changes(BARE), rate: await changes(RECORDED) }));
    expect(seen.length).toBe(ROUNDS);
    report(
      'changes',
      rated(
        seen.map(({ rate }) => rate),
        seen.map(({ floor }) => floor),
      ),
    );
  });
});
