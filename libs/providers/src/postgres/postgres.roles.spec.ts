import { afterAll, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage } from '../../../../test/support/postgres-stage';
import { anOrder } from '../../../../test/support/postgres-target';
import { TargetServer } from '../../../../test/support/target-server';
import { objectName, type EntitlementConfig, type GrantRef } from '../provider';

const LIMIT = 2;

describeOnPostgres('the role of a grant', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  let target: Stage['target'];
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
    target = stage.target;
  });
  afterAll(() => server?.stop());

  const inSeconds = (seconds: number): Date => new Date(Date.now() + seconds * 1_000);
  /** As the server keeps them: what it enforces, whatever a receipt says. */
  const kept = async (grant: GrantRef): Promise<{ until: number; limit: number }> => {
    const [row] = await target.sql<{ until: number; limit: number }>(
      `SELECT extract(epoch FROM rolvaliduntil)::float8 * 1000 AS until, rolconnlimit AS "limit"
         FROM pg_roles WHERE rolname = '${objectName(grant)}'`,
    );
    return row!;
  };
  const limited = (connectionLimit: number): EntitlementConfig => ({
    ...target.read,
    config: { database: target.database, groupRole: target.reader, connectionLimit },
  });

  it.each([
    ['later', 1_800, 3_600],
    ['earlier', 3_600, 1_800],
  ])('has the deadline of the latest attempt, to the millisecond, when that is %s', async (_, first, second) => {
    const order = anOrder(target.read, { endsAt: inSeconds(first) });
    await stage.provider.issue(target.access, order);
    expect((await kept(order.grant)).until).toBe(order.endsAt.getTime());
    const again = { ...order, endsAt: inSeconds(second) };
    const { receipt } = await stage.provider.issue(target.access, again);
    expect(receipt).toMatchObject({ made: 'new password on the same role', validUntil: again.endsAt.toISOString() });
    expect((await kept(order.grant)).until).toBe(again.endsAt.getTime());
    await stage.end(order.grant);
  });

  it('lets as many in at once as the entitlement says, also after another attempt', async () => {
    const order = anOrder(limited(LIMIT));
    const issues = [await stage.provider.issue(target.access, order), await stage.provider.issue(target.access, order)];
    const sessions: pg.Client[] = [];
    for (let n = 0; n < LIMIT; n += 1) sessions.push(await target.use(issues[1]!.credential));
    await expect(target.use(issues[1]!.credential)).rejects.toThrow('too many connections for role');
    expect(issues.map(({ receipt }) => receipt['connectionLimit'])).toEqual(issues.map(() => String(LIMIT)));
    await stage.end(order.grant);
    await leave(...sessions);
  });

  it('has the limit that the entitlement has by now, when it is made once more', async () => {
    const order = anOrder(limited(7));
    await stage.provider.issue(target.access, order);
    expect((await kept(order.grant)).limit).toBe(7);
    await stage.provider.issue(target.access, { ...order, entitlement: limited(LIMIT) });
    expect((await kept(order.grant)).limit).toBe(LIMIT);
    await stage.end(order.grant);
  });

  it('ends though somebody made it a member of our own account, which would be a circle', async () => {
    const { grant, role, credential, session } = await stage.begin();
    const circle = await target.sql(`GRANT ${pg.escapeIdentifier(target.admin)} TO ${role}`).then(
      () => 'made',
      ({ code }: { code?: string }) => code,
    );
    // From 16 on our account is a member of each role that it makes, and the server refuses.
    expect(circle).toBe(target.major >= 16 ? '0LP01' : 'made');
    expect((await stage.end(grant)).leftovers).toEqual([]);
    expect([await stage.verdict(grant, credential), await stage.roleExists(grant)]).toEqual(['ended', false]);
    await leave(session);
  });
});
