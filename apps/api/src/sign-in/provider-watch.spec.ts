import { describe, expect, it } from 'vitest';
import { ProviderWatch } from './provider-watch';

describe('the watch over the identity provider', () => {
  const provider = (answers: (time: number) => Promise<void>) => {
    const asked: number[] = [];
    return { asked, reach: () => answers(asked.push(asked.length)) };
  };
  const away = () => Promise.reject(new Error('away'));

  it('asks once in a while, however often somebody looks', async () => {
    const one = provider(away);
    const watch = new ProviderWatch(one, 3_600_000);
    const looks = await Promise.all([1, 2, 3].map(() => watch.answers()));
    expect([...looks, await watch.answers()]).toEqual([false, false, false, false]);
    expect(one.asked).toHaveLength(1);
  });

  it('sees it come back, and go', async () => {
    const watch = new ProviderWatch(
      provider((time) => (time === 2 ? Promise.resolve() : away())),
      0,
    );
    expect([await watch.answers(), await watch.answers(), await watch.answers()]).toEqual([false, true, false]);
  });

  it('waits for nobody, and hears an answer that comes late', async () => {
    const late = Promise.withResolvers<void>();
    const watch = new ProviderWatch(
      provider(() => late.promise),
      3_600_000,
    );
    expect(await watch.answers()).toBe(false);
    late.resolve();
    expect(await watch.answers()).toBe(true);
  });
});
