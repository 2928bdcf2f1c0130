import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { People } from '../../../test/support/people';

let house: House;
let people: People;
beforeEach(async () => {
  house = await aHouse();
  people = await People.of(house);
});
afterEach(() => house.close());

const apply = (text: string) => house.applyPolicies({ ...HOUSE_POLICIES, policies: [{ file: 'house.cedar', text }] });

/** One of the owners approves; the request waits so long. */
const rule = (id: string, entitlement: string, pendingFor: string) => `
  @id("${id}") @approval("1 of Group::\\"owners\\"") @maxDuration("1h") @pendingFor("${pendingFor}")
  permit (principal in Group::"engineers", action == Action::"request", resource == Entitlement::"${entitlement}");`;

describe('a request waits for a decision', () => {
  const databaseTime = async (): Promise<number> => {
    const [row] = await house.owner.query<{ at: Date }[]>('SELECT clock_timestamp() AS at');
    return row!.at.getTime();
  };

  it.each([
    ['as long as its rule says', ['db/write'], 600],
    ['as long as its most patient rule', ['db/read'], 1_200],
    ['no longer than any of its entitlements may wait', ['db/read', 'db/write'], 600],
    ['no longer than any, whichever was named first', ['db/write', 'db/read'], 600],
  ])('%s', async (_, entitlements, seconds) => {
    await apply(rule('hasty', 'db/read', '5m') + rule('patient', 'db/read', '20m') + rule('write', 'db/write', '10m'));
    const before = await databaseTime();
    const { lapsesAt } = await people.request(await people.ask({ entitlements }));
    const after = await databaseTime();
    // Times are kept to the millisecond.
    expect(lapsesAt.getTime()).toBeGreaterThanOrEqual(before + seconds * 1_000 - 1);
    expect(lapsesAt.getTime()).toBeLessThanOrEqual(after + seconds * 1_000 + 1);
  });
});

describe('a decision names the policies that it was made under', () => {
  const versions = async () => {
    const decided = await house.owner.query<{ version: string }[]>('SELECT policy_version AS version FROM decisions');
    const { version: now } = await house.policies.held(house.api.manager);
    return { decided: decided.map(({ version }) => version), now };
  };

  it.each(['approve', 'deny'] as const)('not those that it was asked under: %s', async (verdict) => {
    const id = await people.ask();
    const { policyVersion: asked } = await people.request(id);
    await apply(rule('read', 'db/read', '30m'));
    await people.decide(id, verdict);
    const { decided, now } = await versions();
    expect(now).not.toBe(asked);
    expect(decided).toEqual([now]);
    expect((await people.request(id)).policyVersion).toBe(asked);
  });

  it('where no person decides as well', async () => {
    const olga = await house.person('olga');
    const { policyVersion: asked } = await people.request(await people.ask({ by: olga }), olga);
    expect((await versions()).decided).toEqual([asked]);
  });
});
