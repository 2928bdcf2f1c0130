import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { pastTriggers } from '../../../test/support/bare-grant';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import type { Asker } from './facts';

describe('to check a target', () => {
  let house: House;
  beforeEach(async () => {
    house = await aHouse();
  });
  afterEach(() => house.close());

  const check = (asker: Asker) => house.targets.check(house.api.manager, asker, 'db');
  const replace = (asker: Asker) =>
    house.as(asker, (tx) => house.targets.replace(tx, asker, { name: 'db', file: {}, password: new Secret('x') }));

  it('is for its owners and for administrators', async () => {
    for (const name of ['ben', 'root']) expect(await check(await house.person(name))).toMatchObject({ ok: true });
  });

  it.each([
    ['an engineer, who may ask for it', 'ada'],
    ['an auditor, who sees everything', 'cleo'],
  ])('is refused to %s: it is not theirs to check', async (_, name) => {
    const person = await house.person(name);
    expect(await house.views.targets.get(house.api.manager, person, 'db')).toMatchObject({ name: 'db' });
    for (const act of [check, replace])
      await expect(act(person)).rejects.toMatchObject({
        kind: 'forbidden',
        code: 'access.target_not_yours',
        details: { target: 'db', owner: 'owners' },
      });
  });

  it('finds nothing for those who may ask for nothing on it, or for nothing that is still offered', async () => {
    const absent = { kind: 'not_found', code: 'access.target_not_found' };
    for (const act of [check, replace]) await expect(act(await house.person('nina'))).rejects.toMatchObject(absent);
    await house.owner.query(
      `WITH settings AS MATERIALIZED (SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true))
       UPDATE entitlements SET retired_at = clock_timestamp() FROM settings`,
    );
    const ada = await house.person('ada');
    for (const act of [check, replace]) await expect(act(ada)).rejects.toMatchObject(absent);
  });

  it('finds that a password does not open any more, and what helps', async () => {
    await house.owner.query(pastTriggers(`UPDATE targets SET password_sealed = '\\x00'`));
    expect(await check(await house.person('ben'))).toMatchObject({
      ok: false,
      findings: [
        {
          kind: 'wrong',
          message: expect.stringContaining('does not open'),
          remedy: expect.stringContaining('--replace'),
        },
      ],
    });
  });

  it('goes by the policies of now', async () => {
    const ada = await house.person('ada');
    const text = HOUSE_POLICIES.policies[0]!.text.replaceAll('Group::"engineers"', 'Group::"nobody"');
    const groups = { ...HOUSE_POLICIES.groups, text: `${HOUSE_POLICIES.groups.text}  nobody: []\n` };
    await house.applyPolicies({ policies: [{ file: 'house.cedar', text }], groups });
    await expect(check(ada)).rejects.toMatchObject({ code: 'access.target_not_found' });
  });
});
