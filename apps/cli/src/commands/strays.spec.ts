import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inSeconds } from '../../../../test/support/cli/builders';
import { Desk } from '../../../../test/support/cli/desk';
import type { Stray } from '../service/shapes';

const ID = '00000000-0000-4000-8000-00000000000';
const NAME = 'curfew-5eedc0de-7d3a1f68-1111-4222-8333-944455556666';

let desk: Desk;
beforeEach(async () => {
  desk = await Desk.open();
  desk.signIn();
});
afterEach(() => desk.close());

const aStray = (n: number, changes: Partial<Stray> = {}): Stray => ({
  id: `${ID}${n}`,
  name: NAME,
  grantId: NAME.slice(-36),
  state: 'found',
  foundAt: inSeconds(-60),
  removeAt: inSeconds(545),
  removedAt: null,
  clearedAt: null,
  failure: null,
  ...changes,
});
const there = (items: readonly Stray[], surveyedAt: string | null = inSeconds(-90)) =>
  desk.service.on('GET /v1/targets/*/strays', { body: { surveyedAt, items } });
const run = (...words: string[]) => desk.run(['targets', 'strays', 'orders-db', ...words]);

describe('targets strays', () => {
  it('says when somebody last looked, if nothing was found', async () => {
    there([]);
    expect(await run()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/no grant \(looked through 1m .* ago\)/),
    });
    there([], null);
    expect((await run()).stdout).toContain('nobody has looked yet');
  });

  it('lists what was found and what becomes of it, ends with 9 while something waits, and removes nothing', async () => {
    there([
      aStray(1),
      aStray(2, { state: 'removing', failure: 'target.no_connection' }),
      aStray(3, { state: 'removed', removedAt: inSeconds(-5) }),
      aStray(4, { state: 'cleared', clearedAt: inSeconds(-5) }),
    ]);
    const { code, stdout } = await run();
    expect(code).toBe(9);
    expect(stdout).toContain(NAME);
    for (const words of [
      'removed in 9m',
      'not yet: the target does not answer',
      'removed, and proven',
      'nothing to remove',
    ])
      expect(stdout).toContain(words);
    expect(stdout).toContain('curfew targets strays orders-db --confirm');
    expect(desk.service.asked.every(({ method }) => method === 'GET')).toBe(true);
    there([aStray(3, { state: 'removed', removedAt: inSeconds(-5) })]);
    expect((await run()).code).toBe(0);
  });

  it('confirms exactly what it has seen, and nothing that is on its way or over', async () => {
    there([aStray(1), aStray(2, { state: 'removing' }), aStray(3)]);
    const items = [aStray(1, { state: 'removing' }), aStray(5)];
    desk.service.on('POST /v1/targets/*/strays/confirmation', { body: { surveyedAt: inSeconds(-60), items } });
    const { code, stdout } = await run('--confirm');
    expect(desk.service.of('POST /v1/targets/*/strays/confirmation').map(({ body }) => body)).toEqual([
      { strays: [`${ID}1`, `${ID}3`] },
    ]);
    expect({ code, says: stdout.includes('2 confirmed') }).toEqual({ code: 0, says: true });
  });

  it('sends nothing when there is nothing to confirm', async () => {
    there([aStray(2, { state: 'removing' })]);
    expect((await run('--confirm')).code).toBe(0);
    expect(desk.service.asked.map(({ method }) => method)).toEqual(['GET']);
  });
});
