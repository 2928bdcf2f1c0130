import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aDatabase, type TestDatabase } from '../support/postgres';

// NOT NULL and CHECK. A row that got past both would fail at its foreign keys with another code.
const REFUSED = /^23502|23514$/;
const FOREIGN_KEY = '23503';

const INSERT = {
  grants: (at: string) =>
    `INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, duration_seconds, activate_by, ends_at)
     SELECT id, sha256('x'), id, id, id, 60, clock_timestamp(), ${at} FROM (SELECT gen_random_uuid() AS id) AS made`,
  'grants not yet begun': (at: string) =>
    `INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, duration_seconds, activate_by, ends_at)
     SELECT id, sha256('x'), id, id, id, 60, ${at}, clock_timestamp() FROM (SELECT gen_random_uuid() AS id) AS made`,
  requests: (at: string) =>
    `INSERT INTO requests (identity_id, duration_seconds, reason_commitment, scope_hash, policy_version, signed_in_at, lapses_at)
     VALUES (gen_random_uuid(), 60, sha256('x'), sha256('x'), 'v', clock_timestamp(), ${at})`,
  'sign-ins': (at: string) =>
    `INSERT INTO sign_ins (connection_id, device_code_sealed, handle_hash, poll_interval_seconds, next_poll_at, max_age_seconds, lapses_at)
     VALUES (gen_random_uuid(), 'x', sha256('x'), 5, clock_timestamp(), 60, ${at})`,
};

describe('a deadline', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  beforeAll(async () => {
    database = await aDatabase();
    owner = new pg.Client({ connectionString: database.urls.owner });
    await owner.connect();
    await owner.query(`SET curfew.actor = 'test'`);
    await owner.query(`SET curfew.correlation = 'test'`);
  });
  afterAll(async () => {
    await owner.end();
    await database.drop();
  });
  const codeOf = (statement: string): Promise<string> =>
    owner.query(statement).then(
      () => 'stored',
      (error: pg.DatabaseError) => error.code ?? 'unknown',
    );

  it.each(Object.keys(INSERT) as (keyof typeof INSERT)[])('of %s cannot be absent or infinite', async (what) => {
    for (const never of ['NULL', `'infinity'`, `'-infinity'`])
      expect(await codeOf(INSERT[what](never))).toMatch(REFUSED);
    expect(await codeOf(INSERT[what]('clock_timestamp()'))).toBe(FOREIGN_KEY);
  });

  it('is never later than the last instant at which a grant may begin, and its duration', async () => {
    expect(await codeOf(INSERT.grants(`clock_timestamp() + interval '59 seconds'`))).toBe(FOREIGN_KEY);
    expect(await codeOf(INSERT.grants(`clock_timestamp() + interval '61 seconds'`))).toMatch(REFUSED);
  });

  it('is at most 366 days away', async () => {
    expect(await codeOf(INSERT.grants('clock_timestamp()').replace(' 60,', ' 31622401,'))).toMatch(REFUSED);
  });
});
