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

  describe('of a table with columns of all kinds', () => {
    const COLUMNS = {
      Zeta: 'words',
      alpha: 'number',
      bytes: 'bytes',
      flag: 'flag',
      many: 'many',
      of: 'of',
      when: 'moment',
    };
    const listed = Object.entries(COLUMNS).flatMap(([key, column]) => [`'${key}'`, `'${column}'`]);
    beforeAll(() =>
      owner.query(`CREATE TABLE probes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), state text NOT NULL, revision integer NOT NULL DEFAULT 1,
          words text, number bigint, bytes bytea, flag boolean, many text[], "of" uuid[], moment timestamptz(3));
        CALL audit_table('probes', 'probe', ${listed.join(', ')})`),
    );
    afterAll(() => owner.query('DROP TABLE probes'));

    const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed());
    const named = text.filter((value) => value !== '');
    const probe = fc.record({
      state: text,
      words: fc.option(text),
      number: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      bytes: fc.option(fc.uint8Array()),
      flag: fc.option(fc.boolean()),
      many: fc.option(fc.array(fc.option(text))),
      of: fc.option(fc.array(fc.uuid())),
      moment: fc.option(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true })),
    });
    type Probe = typeof probe extends fc.Arbitrary<infer T> ? T : never;
    const valuesOf = ({ state, words, number, bytes, flag, many, of, moment }: Probe) =>
      [state, words, number, bytes && Buffer.from(bytes), flag, many, of, moment] as const;

    it('has the canonical form of RFC 8785, with each column as its text', async () => {
      const insert = `INSERT INTO probes (state, words, number, bytes, flag, many, "of", moment) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`;
      const update = `UPDATE probes SET revision = revision + 1, state = $1, words = $2, number = $3, bytes = $4, flag = $5, many = $6, "of" = $7, moment = $8 WHERE id = $9`;
      const settings = fc.record({ actor: named, correlation: named, address: text, channel: text });
      const check = async (before: Probe, after: Probe, said: Record<string, string>): Promise<void> => {
        await owner.query('BEGIN');
        try {
          for (const [name, value] of Object.entries(said))
            await owner.query('SELECT set_config($1, $2, true)', [`curfew.${name}`, value]);
          const made = await owner.query<{ id: string }>(insert, [...valuesOf(before)]);
          await owner.query(update, [...valuesOf(after), made.rows[0]!.id]);
          const { rows } = await owner.query<{ canonical: Buffer; at: Date; row: Record<string, string> }>(
            `SELECT e.canonical, e.at, (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(to_jsonb(p))) AS row
             FROM audit_events e JOIN probes p ON p.id = e.subject_id ORDER BY e.sequence`,
          );
          expect(rows.length).toBe(2);
          for (const { canonical } of rows)
            expect(canonical.toString()).toBe(canonicalize(JSON.parse(canonical.toString())));
          const { canonical, at, row } = rows[1]!;
          const shown = Object.entries(COLUMNS).map(([key, column]) => [key, row[column]]);
          expect(JSON.parse(canonical.toString())).toEqual({
            ...Object.fromEntries(shown.filter(([, value]) => value !== null)),
            ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== '')),
            at: at.toISOString(),
            from: before.state,
            to: after.state,
            sequence: '2',
            subject: `probe:${made.rows[0]!.id}`,
          });
        } finally {
          await owner.query('ROLLBACK');
        }
      };
      await fc.assert(fc.asyncProperty(probe, probe, settings, check), { numRuns: 200 });
    });

    it.each(Object.values(COLUMNS))('refuses a change of %s that does not count the revision up', async (column) => {
      const other = {
        words: `'b'`,
        number: '2',
        bytes: `'\\x02'`,
        flag: 'true',
        many: `'{b}'`,
        of: `'{}'`,
        moment: `'2027-01-01'`,
      };
      await owner.query('BEGIN');
      try {
        await owner.query(
          `SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'c-1', true)`,
        );
        await owner.query(`INSERT INTO probes (state) VALUES ('new')`);
        await owner.query(`UPDATE probes SET "${column}" = "${column}"`);
        await expect(
          owner.query(`UPDATE probes SET "${column}" = ${other[column as keyof typeof other]}`),
        ).rejects.toThrow('adds one to the revision');
      } finally {
        await owner.query('ROLLBACK');
      }
    });
  });

  it('takes no key into an event that is its own, or has more than letters', async () => {
    for (const key of ['actor', 'from', 'sequence', 'a"b', "a'b", ''])
      await expect(owner.query(`CALL audit_table('targets', 'target', $1, 'name')`, [key]), key).rejects.toThrow(
        'of letters',
      );
    await expect(owner.query(`CALL audit_table('targets', 'target', 'name', 'nothing')`)).rejects.toThrow(
      'has no column',
    );
  });
});
