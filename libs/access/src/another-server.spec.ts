import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, type House } from '../../../test/support/house';
import { People } from '../../../test/support/people';
import { Reach } from './work';

describe('a target that leads somewhere else by now', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(() => house.close());

  const leadsTo = async (system: string, { moved }: { moved: boolean }): Promise<void> => {
    const root = await house.person('root');
    const file = {
      name: 'db',
      kind: 'fake',
      owner: 'owners',
      connection: { system },
      entitlements: { read: { right: 'read' }, write: { right: 'write' } },
    };
    const password = new Secret(house.target.system(system).adminPassword);
    await house.as(root, (tx) => house.targets.replace(tx, root, { name: 'db', file, password, moved }));
  };
  const row = async (id: string): Promise<Record<string, unknown>> => {
    const [found] = await house.owner.query<Record<string, unknown>[]>(
      'SELECT state, failure, jsonb_array_length(leftovers) AS leftovers FROM grants WHERE id = $1',
      [id],
    );
    return found!;
  };
  const workUntil = (id: string, expected: object): Promise<void> =>
    expect
      .poll(async () => (await house.work(), await row(id)), { timeout: 10_000, interval: 20 })
      .toMatchObject(expected);

  it('proves nothing about a beginning whose answer was lost', async () => {
    house.target.system().failNext('applied-then-timeout', 'issue');
    const id = await people.granted();
    await house.work();
    await leadsTo('other', { moved: true });
    await workUntil(id, { state: 'stuck', failure: 'access.another_server' });
    expect(house.target.system('other').accounts.size).toBe(0);
    await leadsTo('main', { moved: true });
    await workUntil(id, { state: 'ended' });
    expect(house.target.system().accounts.size).toBe(0);
  });

  it('begins nothing where no attempt has been before, though nobody changed the configuration', async () => {
    const system = house.target.system();
    const id = await people.granted();
    await house.work();
    expect(await row(id)).toMatchObject({ state: 'active' });
    await house.as(people.ada, (tx) => house.credentials.pickUp(tx, people.ada, id));
    // The same address leads to another server from now on: a name was changed, a disk was restored.
    system.identity = 'another';
    system.accounts.clear();
    await house.as(people.ada, (tx) => house.credentials.replace(tx, people.ada, id));
    const tried = async () => (await house.work(), house.failures.at(-1));
    await expect.poll(tried, { timeout: 10_000, interval: 20 }).toMatchObject({ code: 'access.another_server' });
    expect(system.accounts.size).toBe(0);
  });

  it('is not taken as tidied, and is not led away from what is left without a word', async () => {
    house.target.system().obstacles.push({ what: 'a table', why: 'it is in use' });
    const id = await people.granted();
    await house.work();
    await house.as(people.ben, (tx) => house.grants.revoke(tx, people.ben, id));
    await workUntil(id, { state: 'ended', leftovers: 1 });
    await expect(leadsTo('other', { moved: false })).rejects.toMatchObject({ code: 'access.target_in_use' });
    await leadsTo('other', { moved: true });
    await house.owner.query('UPDATE operations SET run_after = clock_timestamp() WHERE finished_at IS NULL');
    const before = house.failures.length;
    await expect
      .poll(async () => (await house.work(), house.failures.length), { timeout: 10_000, interval: 20 })
      .toBeGreaterThan(before);
    expect(house.failures.at(-1)).toMatchObject({ code: 'access.another_server' });
    expect(await row(id)).toMatchObject({ leftovers: 1 });
    await leadsTo('main', { moved: true });
    house.target.system().obstacles.splice(0);
    await workUntil(id, { leftovers: 0 });
  });
});

describe('a target that is changed at the moment at which something begins on it', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(() => house.close());

  const configure = (right: string): Promise<void> =>
    house.owner.transaction(async (tx) => {
      await tx.query(`SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true)`);
      await tx.query(`UPDATE entitlements SET config = jsonb_build_object('right', $1::text) WHERE name = 'read'`, [
        right,
      ]);
      await tx.query('UPDATE targets SET revision = revision + 1');
    });
  /** Between the last look at what was approved and the next one, around the reading of what runs. */
  const aroundTheReading = (before: () => Promise<void>, after: () => Promise<void>): void => {
    const target: Reach['target'] = Reflect.get(Reach.prototype, 'target');
    Reach.prototype.target = async function changed(grant) {
      Reach.prototype.target = target;
      await before();
      const read = await target.call(this, grant);
      await after();
      return read;
    };
  };
  const state = async (id: string): Promise<string> => (await house.work(), (await people.grant(id)).state);

  it('gives what was approved, or nothing', async () => {
    const id = await people.granted();
    aroundTheReading(
      () => configure('write'),
      async () => undefined,
    );
    await expect.poll(() => state(id), { timeout: 10_000, interval: 20 }).toBe('ended');
    expect(await people.grant(id)).toMatchObject({ endReason: 'failed', failure: 'access.scope_changed' });
    expect(house.target.system().calls.issue).toBe(0);
  });

  it('gives what was approved also when it was changed back at once', async () => {
    const id = await people.granted();
    aroundTheReading(
      () => configure('write'),
      () => configure('read'),
    );
    await expect.poll(() => state(id), { timeout: 10_000, interval: 20 }).toBe('active');
    expect([...house.target.system().accounts.values()].map(({ right }) => right)).toEqual(['read']);
    expect(house.target.system().calls.issue).toBe(1);
  });
});
