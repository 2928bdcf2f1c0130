import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anOrder } from '../../../../test/support/postgres-target';
import { Stage } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const MANY = 3_000;
const AT_ONCE = 8;
const PROVEN = 10; // every tenth: the contract proves each kind of end

/** So many at a time, the next when one is done. */
async function pooled<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const one = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

describe('many grants on one table of PostgreSQL', () => {
  let stage: Stage;
  let server: TargetServer;
  beforeAll(async () => {
    server = await TargetServer.start();
    stage = await Stage.on(server);
  });
  afterAll(() => server?.stop());

  it(`makes and ends ${MANY} that live at the same time, and the table's list of rights stays as short as it was`, async () => {
    const { provider, target } = stage;
    const rights = (): Promise<unknown[]> => target.sql(`SELECT relacl::text FROM pg_class WHERE relname = 'orders'`);
    const before = await rights();
    const orders = Array.from({ length: MANY }, () => anOrder(target.read));
    await pooled(orders, (order) => provider.issue(target.access, order));
    expect((await provider.list(target.access, '5eedc0de')).grants).toHaveLength(MANY);
    expect(await rights()).toEqual(before);
    await pooled(orders, ({ grant }) => provider.end(target.access, grant));
    const verdicts = new Set<string>();
    const sample = orders.filter((_, index) => index % PROVEN === 0);
    await pooled(sample, async ({ grant }) => verdicts.add((await provider.prove(target.access, grant)).verdict));
    expect([...verdicts]).toEqual(['ended']);
    expect((await provider.list(target.access, '5eedc0de')).grants).toEqual([]);
  }, 600_000);
});
