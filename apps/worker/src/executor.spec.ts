import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Asker } from '@app/access';
import { Secret } from '@app/kernel';
import { BellListener, type Listener } from '@app/platform/queue';
import { waitFor } from '../../../scripts/waiting';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import { People } from '../../../test/support/people';
import { Executor } from './executor';

const PER_LINE = 2;
/** What two targets take that answer to nobody, and one more: all that there is for the others. */
const HANDS = 2 * (2 * PER_LINE) + 1;
/** Longer than a test: nothing is found by the sweep. */
const NEVER_MS = 600_000;

const POLICIES = {
  ...HOUSE_POLICIES,
  policies: [
    {
      file: 'any.cedar',
      text: `@id("any") @approval("none") @maxDuration("1h")
        permit (principal in Group::"on-call", action == Action::"request", resource);`,
    },
  ],
};

class HandBell extends BellListener {
  ring: () => Promise<void> = () => Promise.resolve();

  listen(_: number, { answer }: Listener): void {
    this.ring = () => answer('');
  }

  silentSeconds(): number {
    return 0;
  }
}

describe('a worker', () => {
  let house: House;
  let people: People;
  let olga: Asker;
  let executor: Executor;
  const bell = new HandBell();
  beforeEach(async () => {
    house = await aHouse(POLICIES);
    [people, olga] = await Promise.all([People.of(house), house.person('olga')]);
    const limits = { hands: HANDS, perLine: PER_LINE };
    executor = new Executor(house, limits, pino({ level: 'silent' }));
  });
  afterEach(async () => {
    await executor.stop();
    await house.close();
  });

  const aTarget = async (name: string): Promise<void> => {
    const system = house.target.system(name);
    const file = {
      name,
      kind: 'fake',
      owner: 'owners',
      connection: { system: name },
      entitlements: { read: { right: 'read' } },
    };
    const order = { file, password: new Secret(system.adminPassword) };
    await house.as(olga, (tx) => house.targets.add(tx, 'demo', order));
  };
  const ask = async (target: string, count: number): Promise<string[]> => {
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1) ids.push(await people.granted({ entitlements: [`${target}/read`], by: olga }));
    return ids;
  };
  const release = async (ids: string[]): Promise<void> => {
    for (const id of ids) await house.as(olga, (tx) => house.grants.release(tx, olga, id));
  };
  const states = async (ids: string[]): Promise<string[]> => {
    const rows = await house.owner.query<{ state: string }[]>('SELECT state FROM grants WHERE id = ANY($1)', [ids]);
    return rows.map(({ state }) => state);
  };
  /** Rings until all of them are that: what rings is what would have asked for it. */
  const all = async (ids: string[], state: string): Promise<void> => {
    const look = async () => {
      await bell.ring();
      return (await states(ids)).every((each) => each === state) || undefined;
    };
    expect(await waitFor(look, 10_000, 20), `all ${state}: ${(await states(ids)).join()}`).toBe(true);
  };
  const calls = (target: string) => house.target.system(target).calls;

  it('gives one target no more than its share: others begin and end while two answer to nobody', async () => {
    for (const name of ['slow', 'dead', 'third']) await aTarget(name);
    executor.start(bell, NEVER_MS);
    const begun = { slow: await ask('slow', 5), dead: await ask('dead', 5) };
    await all([...begun.slow, ...begun.dead], 'active');
    const stalls = [house.target.system('slow').stall(), house.target.system('dead').stall()];
    const before = { slow: { ...calls('slow') }, dead: { ...calls('dead') } };
    const late = [...(await ask('slow', 5)), ...(await ask('dead', 5))];
    await release([...begun.slow, ...begun.dead]);
    const third = await ask('third', 5);
    await all(third, 'active');
    await release(third);
    await all(third, 'ended');
    for (const name of ['slow', 'dead'] as const)
      expect([calls(name).issue - before[name].issue, calls(name).end - before[name].end]).toEqual([
        PER_LINE,
        PER_LINE,
      ]);
    for (const stall of stalls) stall.goOn();
    await all(late, 'active');
    await all([...begun.slow, ...begun.dead], 'ended');
    await assertUnbroken(house.owner);
  });

  it('ends what ends on a target whose beginnings hang', async () => {
    executor.start(bell, NEVER_MS);
    const begun = await ask('db', 5);
    await all(begun, 'active');
    const stall = house.target.system().stall('issue');
    const late = await ask('db', 5);
    await bell.ring();
    expect(await waitFor(() => calls('main').issue === begun.length + PER_LINE || undefined, 5_000)).toBe(true);
    await release(begun);
    await all(begun, 'ended');
    expect(await states(late)).not.toContain('active');
    stall.goOn();
    await all(late, 'active');
    await assertUnbroken(house.owner, { target: house.target.system() });
  });

  it('goes on by itself while there is more than it may do at once', async () => {
    const many = await ask('db', 5 * PER_LINE);
    executor.start(bell, NEVER_MS);
    const over = async () => (await states(many)).every((each) => each === 'active') || undefined;
    expect(await waitFor(over, 10_000, 20)).toBe(true);
    await assertUnbroken(house.owner, { target: house.target.system() });
  });
});
