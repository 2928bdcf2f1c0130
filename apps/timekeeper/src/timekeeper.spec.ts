import { pino } from 'pino';
import type { Histogram } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Asker } from '@app/access';
import { Secret } from '@app/kernel';
import { createMetrics } from '@app/platform/http';
import { Bell, type Ring } from '@app/platform/queue';
import { aHouse, type House } from '../../../test/support/house';
import { manyDue } from '../../../test/support/many-due';
import { Timekeeper } from './timekeeper';

class HeardBell extends Bell {
  readonly rung: string[] = [];
  onRing: () => Promise<void> = () => Promise.resolve();

  ring(rings: readonly Ring[]): Promise<void> {
    this.rung.push(...rings.map(({ id }) => id));
    return rings.length > 0 ? this.onRing() : Promise.resolve();
  }

  isHeard(): Promise<boolean> {
    return Promise.resolve(true);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe('the timekeeper', () => {
  let house: House;
  let olga: Asker;
  let timekeeper: Timekeeper;
  let bell: HeardBell;
  let metrics: ReturnType<typeof createMetrics>;
  beforeEach(async () => {
    bell = new HeardBell();
    metrics = createMetrics('timekeeper');
    house = await aHouse();
    olga = await house.person('olga');
    timekeeper = new Timekeeper(house.deadlines, bell, metrics, pino({ level: 'silent' }));
  });
  afterEach(async () => {
    await timekeeper.stop();
    await house.close();
  });

  const active = async (durationSeconds: number): Promise<void> => {
    const order = { entitlements: ['db/read'], durationSeconds, reason: new Secret('why') };
    await house.as(olga, (tx) => house.requests.open(tx, olga, order));
    await house.work();
  };
  /** How late each was, in seconds, in the order in which they were decided. */
  const decided = async (): Promise<number[]> => {
    const rows = await house.owner.query<{ late: number }[]>(
      `SELECT extract(epoch FROM ending_at - ends_at)::float8 AS late FROM grants WHERE ending_at IS NOT NULL ORDER BY ending_at`,
    );
    return rows.map(({ late }) => late);
  };
  const told = async (): Promise<Record<string, number>> => {
    const histogram = metrics.getSingleMetric('curfew_end_decision_lateness_seconds') as Histogram;
    const { values } = await histogram.get();
    return Object.fromEntries(
      values.map(({ labels: { le }, metricName = '', value }) => [
        le === undefined ? metricName.replace(/.*_/, '') : String(le),
        value,
      ]),
    );
  };

  it('counts each end once, by how late it was decided, and rings for it', async () => {
    await active(1);
    await active(1);
    await active(600);
    // Nobody looked for a while: these two are late.
    await expect.poll(async () => (await house.owner.query(OVERDUE)).length, { timeout: 10_000 }).toBe(2);
    timekeeper.start();
    await active(2);
    await expect.poll(decided, { timeout: 15_000 }).toHaveLength(3);
    await timekeeper.stop();
    const late = await decided();
    const [first = 0, second = 0, onTime = 0] = late;
    expect([first > 1, second > 1, onTime < 1]).toEqual([true, true, true]);
    const { count, sum, 1: withinASecond, 30: withinHalfAMinute } = await told();
    expect({ count, withinASecond, withinHalfAMinute }).toEqual({ count: 3, withinASecond: 1, withinHalfAMinute: 3 });
    expect(sum).toBeCloseTo(first + second + onTime, 1);
    expect(new Set(bell.rung).size).toBe(3);
  });

  it('rings when all that is due at once is decided, each of it once, and not in between', async () => {
    await manyDue(house, olga.identityId, 1_700);
    const counts: { undecided: number; asked: number }[] = [];
    bell.onRing = async () => {
      counts.push(...(await house.owner.query<typeof counts>(COUNTED)));
    };
    timekeeper.start();
    await expect.poll(() => counts.length, { timeout: 20_000 }).toBe(1);
    await timekeeper.stop();
    expect(counts).toEqual([{ undecided: 0, asked: 1_700 }]);
  });
});

const COUNTED = `SELECT (SELECT count(*)::int FROM grants WHERE state = 'active') AS undecided,
  (SELECT count(*)::int FROM operations WHERE kind = 'end' AND finished_at IS NULL) AS asked`;
const OVERDUE = `SELECT FROM grants WHERE state = 'active' AND ends_at < clock_timestamp() - interval '1100 milliseconds'`;
