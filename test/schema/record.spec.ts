import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aDatabase, type TestDatabase } from '../support/postgres';

describe('the record', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  let api: pg.Client;

  beforeAll(async () => {
    database = await aDatabase();
    owner = new pg.Client({ connectionString: database.urls.owner });
    api = new pg.Client({ connectionString: database.urls.api });
    await Promise.all([owner.connect(), api.connect()]);
  });
  afterAll(async () => {
    await Promise.all([owner.end(), api.end()]);
    await database.drop();
  });

  /** Runs in a transaction of the api's role that knows its actor, and rolls back. */
  async function acting<T>(work: () => Promise<T>, actor = 'test'): Promise<T> {
    await api.query('BEGIN');
    try {
      await api.query(`SELECT set_config('curfew.actor', $1, true), set_config('curfew.correlation', 'c-1', true)`, [
        actor,
      ]);
      return await work();
    } finally {
      await api.query('ROLLBACK');
    }
  }

  const addTarget = async (name = 'db') => {
    const { rows } = await api.query<{ id: string }>(
      `INSERT INTO targets (name, kind, owner_group, connection, password_sealed, config_hash)
       VALUES ($1, 'postgres', 'owners', '{}', '\\x00', sha256('x')) RETURNING id`,
      [name],
    );
    return rows[0]!.id;
  };

  it('writes the event of a new row in the same transaction, with exactly the canonical bytes', async () => {
    await acting(async () => {
      const id = await addTarget();
      const { rows } = await api.query<{ canonical: Buffer; leaf_hash: Buffer; at: Date }>(
        'SELECT canonical, leaf_hash, at FROM audit_events WHERE subject_id = $1',
        [id],
      );
      const event = rows[0]!;
      expect(JSON.parse(event.canonical.toString())).toEqual({
        actor: 'test',
        at: event.at.toISOString(),
        config: `\\x${createHash('sha256').update('x').digest('hex')}`,
        correlation: 'c-1',
        kind: 'postgres',
        name: 'db',
        owner: 'owners',
        sequence: '1',
        subject: `target:${id}`,
        to: 'connected',
      });
      expect(event.canonical.toString()).toBe(canonicalize(JSON.parse(event.canonical.toString())));
      expect(event.leaf_hash).toEqual(createHash('sha256').update(Buffer.of(0)).update(event.canonical).digest());
    });
  });

  it('refuses a state change without an actor, and without a correlation', async () => {
    await expect(addTarget()).rejects.toThrow('needs curfew.actor');
    await expect(acting(() => addTarget(), '')).rejects.toThrow('needs curfew.actor');
    await api.query('BEGIN');
    await api.query(`SELECT set_config('curfew.actor', 'test', true)`);
    await expect(addTarget()).rejects.toThrow('needs curfew.correlation');
    await api.query('ROLLBACK');
  });

  it('refuses a change of a recorded column that does not count the revision up by one', async () => {
    const change = (sets: string) =>
      acting(async () => {
        await addTarget('a');
        await api.query(`UPDATE targets SET ${sets}`);
      });
    await expect(change(`owner_group = 'others'`)).rejects.toThrow('adds one to the revision');
    await expect(change(`owner_group = 'others', revision = revision + 2`)).rejects.toThrow('adds one to the revision');
    await expect(change(`owner_group = 'others', revision = revision - 1`)).rejects.toThrow('adds one to the revision');
    await expect(change(`owner_group = 'others', revision = revision + 1`)).resolves.toBeUndefined();
  });

  it('numbers the events of a subject without a gap, for many rows in one statement too', async () => {
    await acting(async () => {
      const ids = [await addTarget('a'), await addTarget('b')];
      await api.query(`UPDATE targets SET owner_group = 'x', revision = revision + 1`);
      await api.query(`UPDATE targets SET owner_group = 'y', revision = revision + 1 WHERE name = 'a'`);
      const { rows } = await api.query(
        'SELECT subject_id, array_agg(sequence ORDER BY id) AS sequences FROM audit_events WHERE subject_id = ANY($1) GROUP BY 1',
        [ids],
      );
      expect(new Map(rows.map((row) => [row.subject_id, row.sequences]))).toEqual(
        new Map([
          [ids[0], [1, 2, 3]],
          [ids[1], [1, 2]],
        ]),
      );
    });
  });

  it.each(['api', 'worker', 'timekeeper'] as const)(
    'cannot be written, changed or deleted by the %s',
    async (process) => {
      const client = new pg.Client({ connectionString: database.urls[process] });
      await client.connect();
      try {
        for (const sql of [
          `INSERT INTO audit_events (subject_kind, subject_id, sequence, to_state, at, actor, correlation, canonical)
           VALUES ('x', gen_random_uuid(), 1, 'x', now(), 'x', 'x', '')`,
          `UPDATE audit_events SET actor = 'x'`,
          'DELETE FROM audit_events',
          'TRUNCATE audit_events',
          'ALTER TABLE targets DISABLE TRIGGER ALL',
          'DROP TRIGGER audit_updated ON targets',
          `SET session_replication_role = replica`,
          'CREATE TABLE public.mine (id int)',
          'SET ROLE curfew_owner',
        ]) {
          await expect(client.query(sql), sql).rejects.toMatchObject({ code: '42501' });
        }
      } finally {
        await client.end();
      }
    },
  );

  it('has the triggers on every table with a state', async () => {
    const { rows } = await owner.query<{ table: string; triggers: string[] }>(
      `SELECT c.relname AS table, array(SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid AND tgenabled = 'O' ORDER BY 1) AS triggers
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'state'
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')`,
    );
    expect(rows.map((row) => row.table).toSorted()).toEqual([
      'credentials',
      'decisions',
      'grants',
      'policy_sets',
      'requests',
      'sign_ins',
      'strays',
      'targets',
    ]);
    for (const row of rows)
      expect(row.triggers, row.table).toEqual(expect.arrayContaining(['audit_inserted', 'audit_updated']));
  });

  it('has the canonical form of RFC 8785 for any flat object of strings', async () => {
    const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed());
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.stringMatching(/^[A-Za-z0-9]{1,12}$/), text, { maxKeys: 8 }),
        async (members) => {
          const { rows } = await owner.query<{ bytes: Buffer }>('SELECT audit_canonical($1::jsonb) AS bytes', [
            JSON.stringify(members),
          ]);
          expect(rows[0]!.bytes.toString('utf8')).toBe(canonicalize(members));
        },
      ),
      { numRuns: 300 },
    );
  });
});
