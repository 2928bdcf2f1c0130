import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage, type Begun } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const quoted = pg.escapeIdentifier;

/** What is said of it (`~`: the holder's schema), and the statements of the holder. `dev` is a role of the customer's. */
const MORE: Readonly<Record<string, [string, ...string[]]>> = {
  'a function': ['function ~.f()', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1'],
  'an operator': [
    'operator ~.===(integer,integer)',
    'CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)',
  ],
  'a rule': [
    'rule r on table ~.t',
    'CREATE TABLE t (a int)',
    'CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM public.orders',
  ],
  'a view': ['view ~.v', 'CREATE VIEW v AS SELECT 1'],
  'a materialised view': ['materialized view ~.m', 'CREATE MATERIALIZED VIEW m AS SELECT 1'],
  'an index over an expression': ['index ~.i', 'CREATE TABLE t (a text)', 'CREATE INDEX i ON t (lower(a))'],
  'an index with a condition': ['index ~.i', 'CREATE TABLE t (a text)', "CREATE INDEX i ON t (a) WHERE a > ''"],
  'statistics of an expression': [
    'statistics object ~.s',
    'CREATE TABLE t (a oid, b int)',
    `CREATE STATISTICS s ON (lo_put(a, 0, 'destroyed')::text) FROM t`,
  ],
  'a trigger': [
    'trigger g on table ~.t',
    'CREATE TABLE t (a int)',
    'CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
  ],
  'a policy': ['policy p on table ~.t', 'CREATE TABLE t (a int)', 'CREATE POLICY p ON t USING (a > 0)'],
  'parts by an expression': ['table ~.t', 'CREATE TABLE t (a int) PARTITION BY RANGE ((a + 1))'],
  'a foreign key that writes': [
    'constraint t_a_fkey on table ~.t',
    'CREATE TABLE p (a int PRIMARY KEY)',
    'CREATE TABLE t (a int DEFAULT length(lo_unlink(4711)::text) REFERENCES p ON DELETE SET DEFAULT)',
  ],
  'a foreign key whose casts others may make': [
    'constraint t_a_fkey on table ~.t',
    'CREATE TABLE t (a public.mood REFERENCES public.moods)',
  ],
  'a cast': [
    'cast from ~.e to integer',
    `CREATE TYPE e AS ENUM ('a')`,
    'CREATE CAST (e AS int) WITH FUNCTION public.dev_c(anyenum)',
  ],
  'a range, which has functions': ['function ~.s(', 'CREATE TYPE s AS RANGE (subtype = int)'],
  'a column of a range of somebody else': ['type public.dev_range', 'CREATE TABLE t (a public.dev_range[])'],
};

const PLAIN: Readonly<Record<string, readonly string[]>> = {
  'a table with all that is its own': [
    `CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b text DEFAULT lower('A') CHECK (length(b) > 0),
                     c serial UNIQUE, d text GENERATED ALWAYS AS (upper(b)) STORED, e int NOT NULL, f jsonb)`,
    'CREATE INDEX ON t (b DESC, c)',
    'CREATE INDEX ON t USING gin (f)',
    'CREATE STATISTICS s ON c, e FROM t',
  ],
  'a copy of what the customer has': ['CREATE TABLE t AS SELECT mood, 1::public.dev_domain AS d FROM public.moods'],
  'types, and tables of them': [
    `CREATE TYPE e AS ENUM ('a', 'b')`,
    'CREATE TYPE c AS (a e, b int[])',
    'CREATE DOMAIN d AS c CHECK ((VALUE).b IS NOT NULL)',
    'CREATE TABLE p (a e PRIMARY KEY)',
    'CREATE TABLE t (a e REFERENCES p, b d, c int4range[])',
  ],
  'foreign keys': [
    'CREATE TABLE p (a int PRIMARY KEY)',
    'CREATE TABLE t (a int REFERENCES p ON DELETE CASCADE, b int REFERENCES public.orders)',
  ],
  'a table in parts': [
    'CREATE TABLE t (a int, b text) PARTITION BY RANGE (a)',
    'CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)',
    'CREATE INDEX ON t (b)',
  ],
  'what an extension brings': ['CREATE TABLE t (a public.citext PRIMARY KEY)', 'CREATE INDEX ON t (a)'],
};

describeOnPostgres('what a holder leaves that is no plain data', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
    const { maker, admin, database } = stage.target;
    const dev = quoted(`dev_${database}`);
    await stage.target.sql(
      'CREATE EXTENSION citext',
      `GRANT CREATE ON DATABASE ${quoted(database)} TO ${quoted(maker)}, ${quoted(admin)}`,
      `CREATE ROLE ${dev}`,
      `GRANT CREATE ON SCHEMA public TO ${dev}`,
      `SET ROLE ${dev}`,
      'CREATE FUNCTION dev_c(anyenum) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN 1; END$$',
      `CREATE FUNCTION dev_t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      'CREATE DOMAIN dev_domain AS int',
      'CREATE TYPE dev_range AS RANGE (subtype = int)',
      `CREATE TYPE mood AS ENUM ('well', 'unwell')`,
      'CREATE TABLE moods (mood mood PRIMARY KEY)',
      `GRANT SELECT, REFERENCES ON moods TO ${quoted(maker)}`,
      'RESET ROLE',
      `GRANT REFERENCES ON orders TO ${quoted(maker)}`,
    );
  });
  afterAll(() => server?.stop());

  /** Begun, and the holder has made a schema of its own, to find what is made. */
  const making = async (statements: readonly string[]): Promise<Begun & { schema: string }> => {
    const begun = await stage.begin();
    const schema = `made_${begun.grant.grantId.slice(0, 8)}`;
    for (const statement of [`CREATE SCHEMA ${schema}`, `SET search_path = ${schema}`, ...statements])
      await begun.session.query(statement.replaceAll('~', schema));
    return { ...begun, schema };
  };
  const ownersOf = async (schema: string): Promise<string[]> => {
    const rows = await stage.target.sql<{ owner: string }>(
      `SELECT DISTINCT pg_get_userbyid(owner)::text AS owner
         FROM (SELECT relnamespace, relowner FROM pg_class UNION ALL SELECT typnamespace, typowner FROM pg_type
               UNION ALL SELECT pronamespace, proowner FROM pg_proc UNION ALL SELECT oid, nspowner FROM pg_namespace) AS it (namespace, owner)
        WHERE namespace = '${schema}'::regnamespace`,
    );
    return rows.map(({ owner }) => quoted(owner));
  };

  it.each(Object.entries(MORE))(
    'is %s, and so is not given away; it stays, named, without power',
    async (_, [said, ...words]) => {
      const { grant, schema, session, role } = await making(words);
      const { leftovers } = await stage.end(grant);
      expect(leftovers[0]?.why).toContain('would be computed with power over what all holders left');
      expect(leftovers[0]?.why).toContain(said.replace('~', schema));
      const owners = await ownersOf(schema);
      expect(owners).toContain(role);
      expect(owners).not.toContain(quoted(stage.target.objectsOwner));
      expect(await stage.verdict(grant)).toBe('ended');
      await leave(session);
    },
  );

  it.each(Object.entries(PLAIN))('is not %s: that is given away', async (_, words) => {
    const { grant, schema, session } = await making(words);
    expect((await stage.end(grant)).leftovers).toEqual([]);
    expect(await ownersOf(schema)).toEqual([quoted(stage.target.objectsOwner)]);
    expect([await stage.verdict(grant), await stage.roleExists(grant)]).toEqual(['ended', false]);
    await leave(session);
  });

  it('has no power over what others left when the server or an administrator runs it', async () => {
    const ben = await making([`CREATE TABLE work AS SELECT 'of ben' AS note`]);
    const loot = `INSERT INTO ~.loot SELECT note FROM ${ben.schema}.work`;
    const rewritten = (name: string): string =>
      `CREATE OR REPLACE FUNCTION ${name}(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN ${loot}; RETURN 1; END$$`;
    const anna = await making([
      'CREATE TABLE loot (note text)',
      ...['f', 'g'].map((name) => `CREATE FUNCTION ${name}(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1`),
      'CREATE TABLE t AS SELECT generate_series(1, 3) AS a',
      'CREATE INDEX ON t (f(a))',
      'CREATE MATERIALIZED VIEW m AS SELECT g(a) FROM t',
      rewritten('f'),
      rewritten('g'),
    ]);
    for (const { grant } of [ben, anna]) await stage.end(grant);
    expect(await ownersOf(ben.schema)).toEqual([quoted(stage.target.objectsOwner)]);
    for (const command of [`ANALYZE ${anna.schema}.t`, `REFRESH MATERIALIZED VIEW ${anna.schema}.m`])
      await expect(stage.target.sql(command)).rejects.toThrow(`permission denied for schema ${ben.schema}`);
    expect([await stage.countOf(`${anna.schema}.loot`), await stage.countOf(`${ben.schema}.work`)]).toEqual([0, 1]);
    await leave(ben.session, anna.session);
  });

  it('is found also when somebody was just hanging it there', async () => {
    const friend = await stage.aStranger();
    const user = friend.name.slice(1, -1);
    await stage.target.sql(`GRANT EXECUTE ON FUNCTION dev_t TO ${friend.name}`);
    const { grant, schema, session } = await making([
      'CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t)', // it has triggers already, so its row is not written again
      `GRANT USAGE ON SCHEMA ~ TO ${friend.name}`,
      `GRANT TRIGGER ON t TO ${friend.name}`,
    ]);
    const hanging = await server.connect(stage.target.database, { user, password: 'stranger' });
    await hanging.query(`BEGIN; CREATE TRIGGER g AFTER INSERT ON ${schema}.t EXECUTE FUNCTION public.dev_t()`);
    const ending = stage.end(grant);
    const waiting = `SELECT FROM pg_locks WHERE relation = '${schema}.t'::regclass AND NOT granted`;
    await expect.poll(() => stage.target.sql(waiting), { timeout: 5_000, interval: 5 }).toHaveLength(1);
    await hanging.query('COMMIT');
    expect((await ending).leftovers[0]?.why).toContain(`trigger g on table ${schema}.t`);
    expect(await ownersOf(schema)).not.toContain(quoted(stage.target.objectsOwner));
    await leave(session, hanging);
  });
});
