import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { objectName, type CheckFinding } from '@app/providers';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage, type Begun } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const quoted = pg.escapeIdentifier;
const REFUSED = /permission denied/;
const SERVED = 'nobody can use what the role still owns';

// Whoever may execute these has the power of their owner.
const SHOW = `CREATE FUNCTION sh(cmd text) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER
  AS 'BEGIN RETURN QUERY EXECUTE cmd; END'`;
const RUN = `CREATE FUNCTION ex(cmd text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
  AS 'BEGIN EXECUTE cmd; RETURN current_user; END'`;

describeOnPostgres('strangers and what holders left', (binaries) => {
  let server: TargetServer;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
  });
  afterAll(() => server?.stop());

  const make = async ({ session }: Begun, ...statements: string[]): Promise<void> => {
    for (const statement of statements) await session.query(statement);
  };
  const served = async (stage: Stage, { grant }: Begun): Promise<unknown> => {
    const { verdict, checks } = await stage.prove(grant);
    return { verdict, served: checks.find(({ check }) => check === SERVED)?.answer };
  };

  it('lets no one use a function, a view or a table of an ended grant, least of all on what others left', async () => {
    const stage = await Stage.on(server);
    const stranger = await stage.aStranger();
    const [anna, ben] = [await stage.begin(), await stage.begin()];
    await make(ben, `CREATE TABLE bens_work AS SELECT 'of ben' AS note`);
    await make(
      anna,
      SHOW,
      RUN,
      'CREATE TABLE loot AS SELECT * FROM orders',
      'CREATE VIEW v_loot AS SELECT * FROM loot',
    );
    await make(anna, 'GRANT SELECT ON v_loot TO PUBLIC');
    expect(await stranger.ask('SELECT count(*)::int FROM v_loot')).toEqual([10]);
    for (const { grant } of [anna, ben]) await stage.end(grant);
    expect([await stage.roleExists(anna.grant), await stage.roleExists(ben.grant)]).toEqual([true, false]);
    expect([await stage.verdict(anna.grant), await stage.verdict(ben.grant)]).toEqual(['ended', 'ended']);

    await expect(stranger.ask('SELECT * FROM v_loot')).rejects.toThrow(REFUSED);
    await expect(stranger.ask(`SELECT * FROM sh('SELECT note FROM bens_work') AS t (note text)`)).rejects.toThrow(
      REFUSED,
    );
    await expect(stranger.ask(`SELECT ex('DROP TABLE bens_work')`)).rejects.toThrow(REFUSED);
    expect([await stage.countOf('bens_work'), await stage.countOf('loot')]).toEqual([1, 10]);
    await leave(anna.session, ben.session);
  });

  it('takes away what was given in each way, whatever it is called, and destroys none of it', async () => {
    const stage = await Stage.on(server);
    const stranger = await stage.aStranger();
    const friend = await stage.aStranger();
    const mine = quoted(`mi"ne '%I ${stage.target.database}`);
    await stage.target.sql(
      `GRANT CREATE ON DATABASE ${quoted(stage.target.database)} TO ${quoted(stage.target.maker)}`,
    );
    await stage.target.sql(
      `GRANT CREATE ON DATABASE ${quoted(stage.target.database)} TO ${quoted(stage.target.admin)}`,
    );
    const begun = await stage.begin();
    await make(
      begun,
      `CREATE SCHEMA ${mine}`,
      `GRANT USAGE ON SCHEMA ${mine} TO ${friend.name}, ${stranger.name}`,
      `CREATE TABLE ${mine}."ta""ble" (a int, "co""l" serial)`,
      `GRANT SELECT ON ${mine}."ta""ble" TO ${friend.name} WITH GRANT OPTION`,
      `GRANT UPDATE ("co""l") ON ${mine}."ta""ble" TO ${stranger.name}`,
      `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${mine} TO ${stranger.name}`,
      `CREATE FUNCTION ${mine}.f(a int, VARIADIC b text[]) RETURNS int LANGUAGE sql RETURN 1`,
      `CREATE PROCEDURE ${mine}.p(a int) LANGUAGE sql AS ''`,
      `CREATE PROCEDURE ${mine}.p(OUT a int) LANGUAGE sql AS 'SELECT 1'`,
      `CREATE AGGREGATE ${mine}.g(int) (sfunc = int4pl, stype = int)`,
      `CREATE FUNCTION ${mine}.s(bigint, int) RETURNS bigint LANGUAGE sql RETURN 1`,
      `CREATE AGGREGATE ${mine}.o(ORDER BY int) (sfunc = ${mine}.s, stype = bigint)`,
      `CREATE DOMAIN ${mine}.d AS text[]`,
      `CREATE TYPE ${mine}.r AS RANGE (subtype = int)`,
      `CREATE TYPE ${mine}.c AS (a int)`,
      `GRANT SELECT ON LARGE OBJECT ${(await begun.session.query<{ lo: string }>('SELECT lo_create(0)::text AS lo')).rows[0]?.lo} TO PUBLIC`,
      `REVOKE ALL ON SCHEMA ${mine} FROM CURRENT_USER`,
    );
    await friend.ask(`GRANT SELECT ON ${mine}."ta""ble" TO ${stranger.name}`);
    await stranger.ask(`SELECT * FROM ${mine}."ta""ble"`);

    await stage.end(begun.grant);
    const owner = objectName(begun.grant);
    const rights = await stage.target.sql(`
      SELECT pg_describe_object(o.class, o.id, 0) AS what, a.grantee
        FROM (SELECT 'pg_class'::regclass::oid, oid, relowner, relacl FROM pg_class
              UNION ALL SELECT 'pg_class'::regclass, attrelid, c.relowner, attacl FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
              UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
              UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, nspacl FROM pg_namespace
              UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner, lomacl FROM pg_largeobject_metadata
              UNION ALL SELECT 'pg_type'::regclass, oid, typowner, coalesce(typacl, acldefault('T', typowner)) FROM pg_type
                         WHERE typtype IN ('c', 'd', 'r') AND typrelid NOT IN (SELECT oid FROM pg_class WHERE relkind <> 'c')) AS o (class, id, owner, acl),
             aclexplode(o.acl) AS a
       WHERE pg_get_userbyid(o.owner) = '${owner}' AND a.grantee <> o.owner`);
    expect(rights).toEqual([]);
    const made = await stage.target.sql(
      `SELECT proname FROM pg_proc WHERE pg_get_userbyid(proowner) = '${owner}' AND prokind <> 'f' ORDER BY 1`,
    );
    expect(made).toEqual(['g', 'o', 'p', 'p'].map((proname) => ({ proname })));
    expect(await stage.verdict(begun.grant)).toBe('ended');
    await leave(begun.session);
  });

  it('takes it away too where nothing can be given away; what somebody gives of a tombstone is no end', async () => {
    const stage = await Stage.on(server);
    const stranger = await stage.aStranger();
    const begun = await stage.begin();
    await make(begun, RUN, 'CREATE TABLE loot AS SELECT * FROM orders', 'GRANT ALL ON loot TO PUBLIC');
    await stage.target.sql(`REVOKE CREATE ON SCHEMA public FROM ${quoted(stage.target.objectsOwner)}`);
    expect((await stage.end(begun.grant)).leftovers).not.toEqual([]);
    expect(await served(stage, begun)).toEqual({ verdict: 'ended', served: 'nothing' });
    await expect(stranger.ask('SELECT * FROM loot')).rejects.toThrow(REFUSED);
    await expect(stranger.ask(`SELECT ex('DROP TABLE loot')`)).rejects.toThrow(REFUSED);

    await stage.target.sql(`GRANT SELECT (id) ON loot TO ${stranger.name}`);
    expect(await served(stage, begun)).toEqual({
      verdict: 'alive',
      served: `${stranger.name} may use table public.loot in ${quoted(stage.target.database)}`,
    });
    await stage.end(begun.grant);
    expect(await stage.verdict(begun.grant)).toBe('ended');
    expect(await stage.countOf('loot')).toBe(10);
    await leave(begun.session);
  });

  it.each(['DEFINER', 'INVOKER'])(
    'proves no end while a trigger of others runs a SECURITY %s function',
    async (whose) => {
      const stage = await Stage.on(server);
      const { maker, database } = stage.target;
      await stage.target.sql(`GRANT TRIGGER ON orders TO ${quoted(maker)}`);
      const begun = await stage.begin();
      await make(
        begun,
        `CREATE FUNCTION obey() RETURNS trigger LANGUAGE plpgsql SECURITY ${whose} AS 'BEGIN EXECUTE new.customer; RETURN new; END'`,
        'CREATE TRIGGER obey AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION obey()',
      );
      expect((await stage.end(begun.grant)).leftovers).toEqual([
        {
          what: `trigger obey on table public.orders runs a function of the role in database ${quoted(database)}`,
          why: expect.stringContaining('only the owner of that table or a superuser can drop it'),
        },
      ]);
      expect(await stage.verdict(begun.grant)).toBe('alive');
      await stage.target.sql('DROP TRIGGER obey ON orders');
      await stage.end(begun.grant);
      expect(await stage.verdict(begun.grant)).toBe('ended');
      await leave(begun.session);
    },
  );

  it.each([
    ['a trigger', 'ON DELETE CASCADE', 'CREATE TRIGGER g AFTER DELETE ON refers EXECUTE FUNCTION f()'],
    [
      'a check',
      'ON UPDATE CASCADE',
      `ALTER TABLE refers ADD CHECK (query_to_xml('SELECT 1', true, false, '') IS NOT NULL)`,
    ],
    ['a default', 'ON DELETE SET DEFAULT', 'ALTER TABLE refers ALTER id SET DEFAULT length(pg_backend_pid()::text)'],
  ])('proves no end while a foreign key to a table of others runs %s', async (_, action, statement) => {
    const stage = await Stage.on(server);
    await stage.target.sql(`GRANT REFERENCES ON orders TO ${quoted(stage.target.maker)}`);
    const begun = await stage.begin();
    await make(
      begun,
      `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      `CREATE TABLE refers (id int REFERENCES orders ${action})`,
      statement,
    );
    const [left] = (await stage.end(begun.grant)).leftovers;
    expect(left?.what).toMatch(/^constraint refers_id_fkey on table public\.refers has the server run what hangs/);
    expect(await stage.verdict(begun.grant)).toBe('alive');
    await stage.target.sql('ALTER TABLE refers DROP CONSTRAINT refers_id_fkey');
    await stage.end(begun.grant);
    expect(await stage.verdict(begun.grant)).toBe('ended');
    await leave(begun.session);
  });

  it('proves no end either where the foreign key leads over other tables of the role, or of a grant that is over', async () => {
    const stage = await Stage.on(server);
    await stage.target.sql(`GRANT REFERENCES ON orders TO ${quoted(stage.target.maker)}`);
    const [first, second] = [await stage.begin(), await stage.begin()];
    await make(
      first,
      'CREATE TABLE between (id int PRIMARY KEY REFERENCES orders ON DELETE CASCADE)',
      'CREATE VIEW kept AS SELECT 1',
      `GRANT REFERENCES ON between TO ${second.role}`,
    );
    await make(
      second,
      `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      'CREATE TABLE own (id int PRIMARY KEY REFERENCES between ON DELETE CASCADE)',
      'CREATE TABLE last (id int REFERENCES own ON DELETE CASCADE)',
      'CREATE TRIGGER g AFTER DELETE ON last EXECUTE FUNCTION f()',
    );
    for (const { grant } of [first, second]) await stage.end(grant);
    expect([await stage.verdict(first.grant), await stage.verdict(second.grant)]).toEqual(['ended', 'alive']);
    await stage.target.sql('ALTER TABLE between DROP CONSTRAINT between_id_fkey');
    await stage.end(second.grant);
    expect(await stage.verdict(second.grant)).toBe('ended');
    await leave(first.session, second.session);
  });

  it('takes away, too, what was given of a column by whom the right to give it was taken from', async () => {
    const stage = await Stage.on(server);
    const stranger = await stage.aStranger();
    const [anna, carl] = [await stage.begin(), await stage.begin()];
    await make(
      anna,
      'CREATE TABLE copied AS SELECT * FROM orders',
      `GRANT ALL ON copied TO ${carl.role} WITH GRANT OPTION`,
    );
    await make(carl, 'BEGIN', `GRANT SELECT (customer), UPDATE (customer) ON copied TO ${stranger.name}`);
    const revoking = anna.session.query(`REVOKE ALL ON copied FROM ${carl.role} CASCADE`);
    if (stage.target.major < 18) await revoking; // from 18 on one waits for the other
    await carl.session.query('COMMIT');
    await revoking;
    const reads = () => stranger.ask('SELECT count(customer)::int FROM copied');
    expect(await reads()).toEqual([10]);
    await stage.end(anna.grant);
    await expect(reads()).rejects.toThrow(REFUSED);
    expect([await stage.verdict(anna.grant), await stage.roleExists(anna.grant)]).toEqual(['ended', false]);
    await stage.end(carl.grant);
    await leave(anna.session, carl.session);
  });

  it('takes away more than it can name at once', async () => {
    const stage = await Stage.on(server);
    const stranger = await stage.aStranger();
    const begun = await stage.begin();
    await make(
      begun,
      `DO $$ BEGIN FOR n IN 1..11000 LOOP EXECUTE format('CREATE FUNCTION many_%s() RETURNS int LANGUAGE sql RETURN 1', n); END LOOP; END $$`,
    );
    const { leftovers } = await stage.end(begun.grant);
    expect(leftovers.at(-1)?.what).toContain('more');
    expect(await served(stage, begun)).toEqual({ verdict: 'ended', served: 'nothing' });
    for (const n of [1, 11_000]) await expect(stranger.ask(`SELECT many_${n}()`)).rejects.toThrow(REFUSED);
    await leave(begun.session);
  });

  it('is over for two holders who hung functions on each other’s tables', async () => {
    const stage = await Stage.on(server);
    const both = [await stage.begin(), await stage.begin()] as const;
    for (const [n, begun] of both.entries())
      await make(
        begun,
        `CREATE TABLE of_${n} (id int)`,
        `GRANT TRIGGER ON of_${n} TO ${both[1 - n]!.role}`,
        `CREATE FUNCTION by_${n}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      );
    for (const [n, begun] of both.entries())
      await make(begun, `CREATE TRIGGER t AFTER INSERT ON of_${1 - n} EXECUTE FUNCTION by_${n}()`);
    await stage.end(both[0].grant);
    expect(await stage.verdict(both[0].grant)).toBe('alive');
    await stage.end(both[1].grant);
    for (const { grant } of both) expect(await stage.verdict(grant)).toBe('ended');
    await leave(both[0].session, both[1].session);
  });

  it('gives nothing away of what it could not name, says why, and proves no end', async () => {
    const stage = await Stage.on(server);
    const { maker, objectsOwner } = stage.target;
    const stranger = await stage.aStranger();
    await stage.target.sql(
      'CREATE SCHEMA closed',
      `GRANT CREATE, USAGE ON SCHEMA closed TO ${quoted(maker)}, ${stranger.name}`,
      `GRANT CREATE ON SCHEMA closed TO ${quoted(objectsOwner)}`,
    );
    const begun = await stage.begin();
    await make(begun, `SET search_path = closed`, 'CREATE TABLE v AS SELECT 1', 'GRANT SELECT ON v TO PUBLIC');
    const { leftovers } = await stage.end(begun.grant);
    expect(leftovers).toEqual([
      { what: expect.stringMatching(/^everybody may use table closed\.v/), why: expect.stringContaining('42501') },
    ]);
    const given = `SELECT relowner = '${quoted(objectsOwner)}'::regrole AS given FROM pg_class WHERE oid = 'closed.v'::regclass`;
    expect(await stage.target.sql(given)).toEqual([{ given: false }]);
    expect(await stage.verdict(begun.grant)).toBe('alive');
    await stage.target.sql(`GRANT USAGE ON SCHEMA closed TO ${quoted(objectsOwner)}`);
    expect((await stage.end(begun.grant)).leftovers).toEqual([]);
    expect(await stage.verdict(begun.grant)).toBe('ended');
    await expect(stranger.ask('SELECT * FROM closed.v')).rejects.toThrow(REFUSED);
    await leave(begun.session);
  });

  it('is told by the check what others can use of it again, and which group roles may hang something on tables of others', async () => {
    const stage = await Stage.on(server);
    const { target, provider } = stage;
    const stranger = await stage.aStranger();
    const begun = await stage.begin();
    await make(begun, 'CREATE TABLE loot (id int)');
    await stage.end(begun.grant);
    const entitlements = [target.major >= 16 ? target.make : target.read];
    const excess = async (): Promise<CheckFinding[]> =>
      (await provider.check(target.access, entitlements)).findings.filter(({ kind }) => kind !== 'notice');
    expect(await excess()).toEqual([]);

    await target.sql(`GRANT SELECT ON loot TO ${stranger.name} WITH GRANT OPTION`);
    const [again, ...none] = await excess();
    expect([again, none]).toMatchObject([
      { kind: 'excess', message: expect.stringContaining('may use table public.loot') },
      [],
    ]);
    await target.sql(...(again?.sql ?? []));
    expect(await excess()).toEqual([]);
    await leave(begun.session);

    if (target.major < 16) return; // there no group role may create
    await target.sql(
      `CREATE ROLE ${quoted(`${target.maker}_more`)}`,
      `GRANT ALL ON orders TO ${quoted(`${target.maker}_more`)} WITH GRANT OPTION`,
      `SET ROLE ${quoted(`${target.maker}_more`)}`,
      `GRANT TRIGGER, REFERENCES (id) ON orders TO ${quoted(target.maker)}`,
      'RESET ROLE',
      'GRANT TRIGGER ON orders TO PUBLIC',
    );
    const [hooks, ...others] = await excess();
    expect([hooks, others]).toMatchObject([
      {
        kind: 'excess',
        message: expect.stringContaining(`"${target.maker}" may hang triggers or foreign keys on public.orders`),
      },
      [],
    ]);
    await target.sql(...(hooks?.sql ?? []));
    expect(await excess()).toEqual([]);
    await target.sql(`GRANT TRIGGER ON orders TO ${quoted(target.reader)}`);
    expect((await provider.check(target.access, [target.read])).ok).toBe(true);
  });
});
