import { afterAll, beforeAll, expect, it } from 'vitest';
import { objectName } from '@app/providers';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage, type Begun } from '../../../../test/support/postgres-stage';
import { ON_LOOPBACK } from '../../../../test/support/postgres-target';
import { TargetServer } from '../../../../test/support/target-server';
import { Account } from './account';
import { Budget } from './budget';
import { dropRole } from './drop-role';

describeOnPostgres('the drop of a role', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
  });
  afterAll(() => server?.stop());

  /** That step alone, as after a look that saw no session. */
  const drop = async ({ grant }: Begun): Promise<unknown> => {
    const { access, major } = stage.target;
    const account = new Account(access, new Budget(20_000), ON_LOOPBACK);
    const name = objectName(grant);
    const [row] = await stage.target.sql<{ oid: number }>(`SELECT oid FROM pg_roles WHERE rolname = '${name}'`);
    return account.with('drop', (session) => {
      const role = { name, oid: row!.oid, major };
      const ending = { account, session, backend: 0, grant, role, steps: [], cut: new Set<number>() };
      return dropRole(ending, { powers: [], objects: [] });
    });
  };

  it('is taken back when one of its sessions turns up in that very moment: nobody could tell later whose it was', async () => {
    const begun = await stage.begin();
    expect([await drop(begun), await stage.roleExists(begun.grant)]).toEqual(['sessions', true]);
    await leave(begun.session);
    await expect.poll(() => drop(begun), { timeout: 10_000 }).toEqual([]);
    expect(await stage.roleExists(begun.grant)).toBe(false);
  });
});
