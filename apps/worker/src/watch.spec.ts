import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VitalSigns } from '@app/access';
import { createMetrics } from '@app/platform/http';
import { bareGrants, pastTriggers } from '../../../test/support/bare-grant';
import { aHouse, type House } from '../../../test/support/house';
import { watch, type Watched } from './watch';

describe('the numbers of the worker', () => {
  let house: House;
  beforeAll(async () => {
    house = await aHouse();
  });
  afterAll(() => house.close());

  /** The lines of ours, without what they mean. */
  const numbers = async (more: Partial<Watched> = {}): Promise<string[]> => {
    const metrics = createMetrics('worker');
    const bell = { silentSeconds: () => 1.5 };
    const operations = { oldestSeconds: () => Promise.resolve(0.5) };
    watch(metrics, { vitalSigns: new VitalSigns(house.worker), operations, bell, ...more });
    const lines = (await metrics.metrics()).split('\n');
    return lines.filter((line) => line.startsWith('curfew_')).map((line) => line.replace(/,?process="worker"/, ''));
  };

  it('say how the grants are, what was left and what strays', async () => {
    const leftovers = [{ what: 'view v', why: 'no plain data' }];
    for (const written of [bareGrants('active', 3), bareGrants('stuck', 2), bareGrants('ended', 4, leftovers)])
      await house.owner.query(pastTriggers(written));
    await house.owner.query(
      pastTriggers('INSERT INTO strays (target_id, grant_id) VALUES (gen_random_uuid(), gen_random_uuid())'),
    );
    expect(await numbers()).toEqual([
      'curfew_grants{state="scheduled"} 0',
      'curfew_grants{state="activating"} 0',
      'curfew_grants{state="active"} 3',
      'curfew_grants{state="ending"} 0',
      'curfew_grants{state="stuck"} 2',
      'curfew_leftovers{} 4',
      'curfew_overdue_seconds{} 0',
      'curfew_strays{} 1',
      'curfew_oldest_operation_seconds{} 0.5',
      'curfew_queue_canary_seconds{} 1.5',
    ]);
  });

  it('are there but for those that cannot be had, or not in time', async () => {
    const away = () => Promise.reject(new Error('away'));
    const [leftovers, strays] = [away, away];
    const silent = { read: () => new Promise<never>(() => undefined), overdue: away, leftovers, strays };
    const named = (lines: readonly string[]) => lines.map((line) => line.split(/[{ ]/)[0]);
    expect(named(await numbers({ vitalSigns: silent }))).toEqual([
      'curfew_oldest_operation_seconds',
      'curfew_queue_canary_seconds',
    ]);
  });

  it('are those of now: one that cannot be had any more is not what it was', async () => {
    let answer = () => Promise.resolve(7);
    const metrics = createMetrics('worker');
    const bell = { silentSeconds: () => 0 };
    watch(metrics, { vitalSigns: new VitalSigns(house.worker), operations: { oldestSeconds: () => answer() }, bell });
    expect(await metrics.metrics()).toContain('curfew_oldest_operation_seconds{process="worker"} 7');
    answer = () => Promise.reject(new Error('away'));
    expect(await metrics.metrics()).not.toContain('curfew_oldest_operation_seconds{');
  });
});
