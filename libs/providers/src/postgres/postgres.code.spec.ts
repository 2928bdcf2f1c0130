import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage, type Begun } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const quoted = pg.escapeIdentifier;

/** What is said of it (`~`: the holder's schema), and the statements of the holder. `dev` is a role of the customer's. */
const CODE: Readonly<Record<string, [string, ...string[]]>> = {
  'a function': ['function ~.f()', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1'],
  'a rule': [
    'rule r on table ~.t',
    'CREATE TABLE t (a int)',
    'CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM public.orders',
  ],
  'an index over a function of somebody else': [
    'function public.dev_f(integer)',
    'CREATE TABLE t (a int)',
    'CREATE INDEX ON t (public.dev_f(a))',
  ],
  'a function that a superuser wrote for the site': [
    'function public.dba_f(integer)',
    'CREATE TABLE t (a int)',
    'CREATE INDEX ON t (public.dba_f(a))',
  ],
  'a trigger that runs a function of somebody else': [
    'function public.dev_t()',
    'CREATE TABLE t (a int)',
    'CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION public.dev_t()',
  ],
  'a view of a view over a function of somebody else': [
    'function public.dev_f(integer)',
    'CREATE MATERIALIZED VIEW t AS SELECT * FROM public.dev_view',
  ],
  'a domain that asks a function of somebody else': [
    'function public.dev_f(integer)',
    'CREATE DOMAIN d AS int CHECK (public.dev_f(VALUE) > 0)',
  ],
  'a domain of somebody else': ['type public.dev_domain', 'CREATE TABLE t (a public.dev_domain)'],
  'a cast to a function of somebody else': [
    'function public.dev_c(anyenum)',
    `CREATE TYPE e AS ENUM ('a')`,
    'CREATE CAST (e AS int) WITH FUNCTION public.dev_c(anyenum)',
  ],
  'a foreign key whose casts others may make': [
    'constraint t_a_fkey on table ~.t',
    'CREATE TABLE t (a public.mood REFERENCES public.moods)',
  ],
  'a range, which has functions': ['function ~.s(', 'CREATE TYPE s AS RANGE (subtype = int)'],
  'an operator': [
    'operator ~.===(integer,integer)',
    'CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)',
  ],
};

const DATA: Readonly<Record<string, readonly string[]>> = {
  'a table with all that is its own': [
    `CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b text DEFAULT lower('A') CHECK (length(b) > 0),
                     c serial, d text GENERATED ALWAYS AS (upper(b)) STORED)`,
    'CREATE INDEX ON t (lower(b))',
    'CREATE STATISTICS s ON (length(b)), c FROM t',
    'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY p ON t USING (a > 0)',
  ],
  'a copy of what the customer has, with types of names': [
    'CREATE TABLE t AS SELECT * FROM public.moods',
    'CREATE MATERIALIZED VIEW m AS SELECT * FROM public.orders',
    'CREATE VIEW v AS SELECT * FROM public.moods, m',
  ],
  'types, and tables of them': [
    `CREATE TYPE e AS ENUM ('a', 'b')`,
    'CREATE TYPE c AS (a e, b int[])',
    'CREATE DOMAIN d AS c CHECK ((VALUE).b IS NOT NULL)',
    'CREATE TABLE t (a e[], b d)',
  ],
  'foreign keys': [
    'CREATE TABLE p (a int PRIMARY KEY)',
    'CREATE TABLE t (a int REFERENCES p ON DELETE CASCADE, b int REFERENCES public.orders ON UPDATE CASCADE)',
  ],
  'a table in parts': [
    'CREATE TABLE t (a int, b text) PARTITION BY RANGE (a)',
    'CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)',
    'CREATE INDEX ON t (lower(b))',
  ],
  'what an extension brings': ['CREATE TABLE t (a public.citext PRIMARY KEY)', 'CREATE INDEX ON t (lower(a))'],
};

describeOnPostgres('code that a holder leaves', (binaries) => {
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
      'CREATE FUNCTION dba_f(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1',
      `SET ROLE ${dev}`,
      'CREATE FUNCTION dev_f(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN $1',
      'CREATE FUNCTION dev_c(anyenum) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN 1; END$$',
      `CREATE FUNCTION dev_t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      'CREATE DOMAIN dev_domain AS int',
      `CREATE TYPE mood AS ENUM ('well', 'unwell')`,
      'CREATE TABLE moods (mood mood PRIMARY KEY)',
      'CREATE VIEW dev_view AS SELECT dev_f(1)',
      `GRANT SELECT, REFERENCES ON moods, dev_view TO ${quoted(maker)}`,
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

  it.each(Object.entries(CODE))('%s is not given away; it stays, named, without power', async (_, [said, ...words]) => {
    const { grant, schema, session, role } = await making(words);
    const { leftovers } = await stage.end(grant);
    expect(leftovers[0]?.why).toContain('code would have power over what all holders left');
    expect(leftovers[0]?.why).toContain(said.replace('~', schema));
    const owners = await ownersOf(schema);
    expect(owners).toContain(role);
    expect(owners).not.toContain(quoted(stage.target.objectsOwner));
    expect(await stage.verdict(grant)).toBe('ended');
    await leave(session);
  });

  it.each(Object.entries(DATA))('%s is given away: there is no code in it', async (_, words) => {
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
    expect((await ending).leftovers[0]?.why).toContain('function public.dev_t()');
    expect(await ownersOf(schema)).not.toContain(quoted(stage.target.objectsOwner));
    await leave(session, hanging);
  });
});
