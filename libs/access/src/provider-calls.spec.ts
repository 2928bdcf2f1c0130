import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { waitFor } from '../../../scripts/waiting';
import { aHouse, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import type { Asker } from './facts';

describe('what is said to a target', () => {
  let house: House;
  let olga: Asker;
  beforeEach(async () => {
    house = await aHouse();
    olga = await house.person('olga');
  });
  afterEach(() => house.close());

  const asked = async (): Promise<string> => {
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
    const request = await house.as(olga, (tx) => house.requests.open(tx, olga, order));
    const { grants } = await house.views.requests.get(house.api.manager, olga, request);
    return grants[0]!.id;
  };
  const told = () => house.calls.map(({ step, outcome }) => `${step}: ${outcome}`);

  it('is told once per call, with what it was for and how it went', async () => {
    const id = await asked();
    await house.work();
    await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    await house.as(olga, (tx) => house.credentials.replace(tx, olga, id));
    await house.work();
    await house.as(olga, (tx) => house.grants.release(tx, olga, id));
    await house.work();
    expect(told()).toEqual(['issue: done', 'replace: done', 'end: done', 'prove: ended']);
    for (const call of house.calls) {
      expect(call).toMatchObject({ grant: id, target: 'db', operation: expect.stringMatching(/^[0-9a-f-]{36}$/) });
      expect(call.milliseconds).toBeGreaterThanOrEqual(0);
    }
  });

  it('is told by the code of what went wrong, and never in words of the target', async () => {
    const id = await asked();
    house.target.system().failNext('unavailable', 'issue');
    await house.work();
    const again = async () => {
      await house.work();
      return told().includes('issue: done') || undefined;
    };
    expect(await waitFor(again, 10_000)).toBe(true);
    expect(told()).toEqual(['issue: target.no_connection', 'issue: done']);
    house.target.system().failNext('forbidden', 'prove');
    await house.as(olga, (tx) => house.grants.release(tx, olga, id));
    await house.work();
    expect(told().slice(2)).toEqual(['end: done', 'prove: unknown']);
  });

  it('is not waited for when it takes for ever; it is tried again, and what comes late comes to nothing', async () => {
    const id = await asked();
    const impatient = house.impatientWorker(100);
    const system = house.target.system();
    const stall = system.stall('issue');
    await house.work(impatient);
    expect(told()).toEqual(['issue: target.too_slow']);
    stall.goOn();
    const again = async () => {
      await house.work(impatient);
      return told().includes('issue: done') || undefined;
    };
    expect(await waitFor(again, 10_000)).toBe(true);
    const picked = await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    const { fields } = 'credential' in picked ? picked.credential.reveal() : { fields: {} as Record<string, string> };
    system.login(fields['username']!, fields['password']!).leave();
    await house.as(olga, (tx) => house.grants.release(tx, olga, id));
    const held = system.stall('end');
    await house.work(impatient);
    expect(told().at(-1)).toBe('end: target.too_slow');
    held.goOn();
    await waitFor(async () => (await house.work(impatient), told().at(-1) === 'prove: ended' || undefined), 10_000);
    await assertUnbroken(house.owner, { target: system });
    expect(system.accounts.size).toBe(0);
  });

  it('says nothing that was handed over', async () => {
    const id = await asked();
    await house.work();
    const picked = await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    const { fields } = 'credential' in picked ? picked.credential.reveal() : { fields: {} as Record<string, string> };
    const secrets = [fields['password']!, house.target.system().adminPassword];
    await house.as(olga, (tx) => house.grants.release(tx, olga, id));
    await house.work();
    const text = JSON.stringify(house.calls);
    expect(text).toContain(id);
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  });
});
