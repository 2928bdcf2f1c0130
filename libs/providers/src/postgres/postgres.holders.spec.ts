import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '../../../../scripts/waiting';
import { aGrant, anOrder } from '../../../../test/support/postgres-target';
import { objectName } from '../provider';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const quoted = pg.escapeIdentifier;
describeOnPostgres('a hostile holder', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  let target: Stage['target'];
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
    target = stage.target;
  });
  afterAll(() => server?.stop());

  it('ends sessions in a transaction, idle, in a query and behind a lock, and rolls their work back', async () => {
    const { order, credential, session } = await stage.begin();
    const others = await Promise.all([1, 2, 3].map(() => target.use(credential)));
    const locker = await server.connect(target.database);
    await locker.query('BEGIN; SELECT FROM orders WHERE id = 2 FOR UPDATE');
    await session.query('BEGIN');
    await session.query(`UPDATE orders SET customer = 'changed' WHERE id = 1`);
    const running = [
      others[0]!.query('SELECT pg_sleep(60)'),
      others[1]!.query(`UPDATE orders SET customer = 'changed' WHERE id = 2`),
    ];
    const ends = Promise.allSettled(running);
    await waitFor(async () => {
      const [{ n }] = (await target.sql<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = '${objectName(order.grant)}' AND state = 'active'`,
      )) as [{ n: number }];
      return n === 2 || undefined;
    }, 10_000);
    await stage.end(order.grant);
    expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(session.query('COMMIT')).rejects.toThrow(/terminat|not queryable/);
    await expect(others[2]!.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
    await locker.query('COMMIT');
    expect(await target.sql(`SELECT FROM orders WHERE customer = 'changed'`)).toEqual([]);
    expect(await stage.verdict(order.grant, credential)).toBe('ended');
    await leave(session, locker, ...others);
  });

  it.runIf(!binaries)('does not let a holder become the group role, whose objects would not be found', async () => {
    const { order, session } = await stage.begin();
    await expect(session.query(`SET ROLE ${quoted(target.maker)}`)).rejects.toThrow('permission denied');
    await expect(session.query('GRANT CURRENT_USER TO PUBLIC')).rejects.toThrow(
      /syntax|permission|not exist|reserved|PUBLIC/i,
    );
    await stage.end(order.grant);
    await leave(session);
  });

  it('ends a role that changed its own password, and does not take the refusal of the old one as proof', async () => {
    const { order, session, credential, role } = await stage.begin();
    await session.query(`ALTER ROLE ${role} PASSWORD 'my own'`);
    await expect(target.use(credential)).rejects.toThrow('password authentication failed');
    const before = await stage.prove(order.grant, credential);
    expect(before.verdict).toBe('alive');
    expect(before.checks.at(-1)).toMatchObject({ verdict: 'unknown', answer: expect.stringContaining('28P01') });
    await stage.end(order.grant);
    const again = server.connect(target.database, { user: objectName(order.grant), password: 'my own' });
    await expect(again).rejects.toThrow('password authentication failed');
    expect(await stage.verdict(order.grant, credential)).toBe('ended');
    await leave(session);
  });

  it('ends what is left when the group role was dropped by hand, and says so at the next start', async () => {
    const elsewhere = await Stage.on(server);
    const { access, reader, read } = elsewhere.target;
    const { order, session } = await elsewhere.begin(read);
    await elsewhere.target.sql(`DROP OWNED BY ${quoted(reader)}`, `DROP ROLE ${quoted(reader)}`);
    await expect(elsewhere.provider.issue(access, anOrder(read))).rejects.toMatchObject({
      kind: 'invalid',
      code: 'target.group_role_missing',
    });
    expect((await elsewhere.end(order.grant)).leftovers).toEqual([]);
    expect(await elsewhere.verdict(order.grant)).toBe('ended');
    await leave(session);
  });

  it('ends what is left when the role was dropped by hand under an open session', async () => {
    const { order, session, role } = await stage.begin();
    await target.sql(`DROP OWNED BY ${role}`, `DROP ROLE ${role}`);
    expect(await stage.end(order.grant)).toEqual({ steps: [], leftovers: [] });
    await expect(session.query('SELECT * FROM orders')).rejects.toThrow('permission denied');
    await leave(session);
  });

  it('cuts the sessions off also while somebody holds the group role, so that nothing can be revoked yet', async () => {
    const { order, session, credential } = await stage.begin();
    const stranger = await stage.aStranger();
    const dba = await server.connect(target.database);
    await dba.query(`BEGIN; GRANT ${quoted(target.maker)} TO ${stranger.name}`);
    const holds = await dba.query(
      `SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND classid = 'pg_authid'::regclass`,
    );
    const attempt = stage.end(order.grant);
    const outcome = await attempt.then(
      () => 'ended',
      (error: { kind: string }) => error.kind,
    );
    expect(outcome).toBe(holds.rows.length > 0 ? 'unavailable' : 'ended');
    await expect(session.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
    await expect(target.use(credential)).rejects.toThrow('password authentication failed');
    await dba.query('ROLLBACK');
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    await leave(session, dba);
  });

  it.each([
    ['its own grant', (own: string) => own],
    ['somebody else’s', (_: string, other: string) => other],
  ])('cannot keep the door open by an advisory lock on the name of %s', async (_, whose) => {
    const mine = await stage.begin();
    const other = await stage.begin();
    const lock = 'SELECT pg_advisory_lock(hashtextextended($1, 0))';
    await mine.session.query(lock, [whose(objectName(mine.grant), objectName(other.grant))]);
    for (const { grant } of [other, mine]) expect((await stage.end(grant)).leftovers).toEqual([]);
    await expect(mine.session.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
    await expect(target.use(other.credential)).rejects.toThrow('password authentication failed');
    await leave(mine.session, other.session);
  });

  it('cannot keep the door open by changing its own password in a transaction, again and again', async () => {
    const { grant, credential, role, session } = await stage.begin();
    await session.query(`BEGIN; ALTER ROLE ${role} PASSWORD 'mine'`);
    const over = new AbortController();
    const others = Array.from({ length: 3 }, async () => {
      while (!over.signal.aborted) {
        const client = await target.use(credential).catch(() => undefined);
        await client?.query(`BEGIN; ALTER ROLE ${role} CONNECTION LIMIT 1`).catch(() => undefined);
        await client?.query(`BEGIN; ALTER ROLE ${role} PASSWORD 'mine'`).catch(() => undefined);
      }
    });
    expect((await stage.end(grant)).leftovers).toEqual([]);
    over.abort();
    await Promise.all(others);
    await expect(session.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
    await expect(target.use(credential)).rejects.toThrow('password authentication failed');
    expect(await stage.verdict(grant, credential)).toBe('ended');
    await leave(session);
  });

  it('cannot keep the door open by a prepared transaction that changed its own password', async () => {
    const { grant, credential, role, session } = await stage.begin();
    const gid = randomUUID();
    await session.query(`BEGIN; ALTER ROLE ${role} PASSWORD 'mine'; PREPARE TRANSACTION '${gid}'`);
    await session.end();
    const { steps, leftovers } = await stage.end(grant);
    expect(leftovers).toEqual([]);
    expect(steps).toContain(`rolled back the prepared transaction '${gid}', which kept the login open`);
    await expect(target.use(credential)).rejects.toThrow('password authentication failed');
    expect(await stage.verdict(grant, credential)).toBe('ended');
  });

  it('loses its sessions and its power also while somebody else holds its row, and the error says that', async () => {
    const { grant, role, session } = await stage.begin();
    const dba = await server.connect(target.database);
    await dba.query(`BEGIN; ALTER ROLE ${role} CONNECTION LIMIT 5`);
    await expect(stage.end(grant)).rejects.toMatchObject({ kind: 'unavailable', code: 'target.role_locked' });
    await expect(session.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
    const [{ n }] = (await target.sql<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_auth_members WHERE member = (SELECT oid FROM pg_roles WHERE rolname = '${objectName(grant)}')`,
    )) as [{ n: number }];
    expect(n).toBe(0);
    await dba.query('ROLLBACK');
    expect((await stage.end(grant)).leftovers).toEqual([]);
    await leave(session, dba);
  }, 60_000);

  it('closes the login also while nobody can join the role, because somebody is giving it to others', async () => {
    const { grant, credential, role, session } = await stage.begin();
    const stranger = await stage.aStranger();
    const dba = await server.connect(target.database);
    await dba.query(`BEGIN; GRANT ${role} TO ${stranger.name}`);
    const outcome = await stage.end(grant).then(
      () => 'ended',
      (error: { kind?: string }) => error.kind,
    );
    // From 16 on a grant of the role keeps others from joining it; before, it does not.
    expect(outcome).toBe(target.major >= 16 ? 'unavailable' : 'ended');
    await expect(target.use(credential)).rejects.toThrow('password authentication failed');
    await dba.query('ROLLBACK');
    await stage.end(grant);
    await leave(session, dba);
  });

  it('loses its power at once also while a session of it hears nothing, in the midst of a long computation', async () => {
    const { grant, credential, session } = await stage.begin();
    await session.query('CREATE VIEW through_it AS SELECT * FROM orders; GRANT SELECT ON through_it TO PUBLIC');
    const stranger = await stage.aStranger();
    expect(await stranger.ask('SELECT count(*)::int FROM through_it')).toEqual([10]);
    // One expression: nothing is looked at between its terms.
    const terms = Array.from({ length: 150 }, (_, n) => `x * x > ${n}`).join(' AND ');
    const computing = session
      .query(`SELECT ${terms} FROM (SELECT repeat('9', 65000)::numeric AS x OFFSET 0) AS it`)
      .catch(() => undefined);
    const ending = stage.end(grant);
    const isRefused = () =>
      stranger.ask('SELECT count(*)::int FROM through_it').then(
        () => false,
        (error: Error) => error.message.includes('permission denied for table orders'),
      );
    await expect.poll(isRefused, { timeout: 2_500, interval: 50 }).toBe(true);
    const live = `SELECT FROM pg_stat_activity WHERE usename = '${objectName(grant)}'`;
    expect(await target.sql(live)).toHaveLength(1);
    await ending.catch(() => undefined);
    await computing;
    await stage.end(grant);
    expect(await stage.verdict(grant, credential)).toBe('ended');
    await leave(session);
  }, 180_000);

  it('catches sessions that are opened during the end', async () => {
    const { order, session, credential } = await stage.begin();
    const opened: pg.Client[] = [session];
    const over = new AbortController();
    const knocking = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        const client = await target.use(credential).catch(() => undefined);
        if (client) opened.push(client);
      }
    });
    await waitFor(() => opened.length > 8 || undefined, 10_000);
    await stage.end(order.grant);
    over.abort();
    await Promise.all(knocking);
    const answers = await Promise.allSettled(opened.map((client) => client.query('SELECT 1')));
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true);
    expect(await stage.verdict(order.grant, credential)).toBe('ended');
    const ghosts = await target.sql(
      `SELECT pid FROM pg_stat_activity WHERE usesysid NOT IN (SELECT oid FROM pg_roles)`,
    );
    expect(ghosts).toEqual([]);
    await leave(...opened);
  });

  it('ends a session that hides: let in before the door closed, and shown by the server only long after', async () => {
    const { order, session, credential } = await stage.begin();
    const hidden = await stage.hide(credential, 15);
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    const ghosts = 'SELECT pid FROM pg_stat_activity WHERE usesysid NOT IN (SELECT oid FROM pg_roles)';
    expect([await hidden.isHidden(), await target.sql(ghosts)]).toEqual([false, []]);
    await hidden.entered;
    await expect(hidden.client.query('SELECT 1')).rejects.toThrow(/terminat|not queryable|closed/);
    await leave(session, hidden.client);
  });

  it('is not led astray by what a holder calls like a part of the catalogue', async () => {
    const { order, session } = await stage.begin();
    await session.query(`CREATE TABLE public.pg_roles (rolname name, oid oid)`);
    await session.query(`CREATE VIEW public.pg_stat_activity AS SELECT 1 AS pid WHERE false`);
    await session.query(
      `CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'led astray'; END $$`,
    );
    await session.query(`ALTER ROLE CURRENT_USER SET search_path = public, pg_catalog`);
    expect(await stage.verdict(order.grant)).toBe('alive');
    await stage.end(order.grant);
    expect(await stage.verdict(order.grant)).toBe('ended');
    await target.sql('DROP FUNCTION public.format(text, name, name)', 'DROP VIEW public.pg_stat_activity');
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    expect(await stage.verdict(order.grant)).toBe('ended');
    await target.sql('DROP TABLE public.pg_roles');
    await leave(session);
  });

  it("touches neither another Curfew's roles nor those of people", async () => {
    const { order, session } = await stage.begin();
    const theirs = anOrder(target.read, { grant: aGrant('0ddba115') });
    const { credential } = await stage.provider.issue(target.access, theirs);
    const alike = quoted(`${objectName(order.grant)}-x`);
    await target.sql(`CREATE ROLE ${alike} LOGIN`, `CREATE ROLE "curfew-5eedc0de-not-a-grant"`);
    await stage.end(order.grant);
    const client = await target.use(credential);
    const rows = await target.sql(
      `SELECT rolname FROM pg_roles WHERE rolname IN ('${alike.slice(1, -1)}', 'curfew-5eedc0de-not-a-grant')`,
    );
    expect(rows).toHaveLength(2);
    const listed = (await stage.provider.list(target.access, order.grant.installation)).grants;
    expect(listed.some((id) => id.includes('not-a-grant') || id.endsWith('-x'))).toBe(false);
    await target.sql(`DROP ROLE ${alike}`, `DROP ROLE "curfew-5eedc0de-not-a-grant"`);
    await leave(client, session);
  });

  it('writes no password into the log of the server', async () => {
    const { credential, order, session } = await stage.begin();
    const { password } = credential.reveal().fields;
    await stage.end(order.grant);
    const { log } = server;
    const seen = ['SCRAM-SHA-256$4096:', password!, target.access.password.reveal()].map((text) => log.includes(text));
    expect(seen).toEqual([true, false, false]);
    await leave(session);
  });
});
