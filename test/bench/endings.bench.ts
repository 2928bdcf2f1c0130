import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../scripts/waiting';
import { milliseconds, report, rounds, ROUNDS, say, spread, words } from './figures';
import { SIZES } from './goals';
import { Population, type Mortal } from './population';
import { BACKENDS, BenchStage } from './stage';
import { Watch } from './watch';

const { living, spread: here, instant, effect } = SIZES;
const overMs = ({ count, perSecond }: typeof here | typeof effect): number => (count * 1_000) / perSecond;

describe.each(BACKENDS)('endings, with the queue on %s', (backend) => {
  const queue = `queue: ${backend}`;
  let stage: BenchStage;
  let population: Population;
  beforeAll(async () => {
    stage = await BenchStage.begin(backend);
    for (const name of ['ada', 'ben']) await stage.service.person(name);
    population = new Population(stage);
    say(`${living} grants that live`);
    await population.living(living);
  });
  afterAll(() => stage?.end());

  /** How long after its deadline each decision was there for everybody to see, in milliseconds. */
  const decided = async (grants: readonly Mortal[]): Promise<number[]> => {
    const ids = grants.map(({ id }) => id);
    const { rows } = await stage.database.query<{ late: number }>(
      `SELECT (extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - g.ends_at) * 1000)::float8 AS late
       FROM audit_events e JOIN grants g ON g.id = e.subject_id WHERE e.to_state = 'ending' AND g.id = ANY($1)`,
      [ids],
    );
    expect(rows.length).toBe(grants.length);
    return rows.map(({ late }) => late);
  };
  /** Waits for all of them. @returns how long after its deadline each end was proven, in milliseconds */
  const proven = async (grants: readonly Mortal[], withinMs: number): Promise<number[]> => {
    const ids = grants.map(({ id }) => id);
    const all = await waitFor(
      async () => {
        const { rows } = await stage.database.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM grants WHERE id = ANY($1) AND state <> 'ended'`,
          [ids],
        );
        return rows[0]?.n === 0 ? true : undefined;
      },
      withinMs,
      250,
    );
    expect(all).toBe(true);
    const { rows } = await stage.database.query<{ late: number }>(
      `SELECT (extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - g.ends_at) * 1000)::float8 AS late
       FROM audit_events e JOIN grants g ON g.id = e.subject_id WHERE e.to_state = 'ended' AND g.id = ANY($1)`,
      [ids],
    );
    return rows.map(({ late }) => late);
  };

  it('decides what ends here and there', async () => {
    const late = await rounds('decision, spread', async () => {
      const grants = await population.mortal({ count: here.count, inMs: 5_000, overMs: overMs(here) });
      await proven(grants, 300_000);
      return decided(grants);
    });
    expect(late.length).toBe(ROUNDS);
    const numbers = spread(late.flat());
    report('decisionSpread', { with: queue, measured: words(numbers), numbers: { ...numbers } });
  });

  it('decides what ends in one instant', async () => {
    const late = await rounds('decision, one instant', async () => {
      const grants = await population.mortal({ count: instant, inMs: 6_000, overMs: 0 });
      await proven(grants, 300_000);
      return decided(grants);
    });
    expect(late.length).toBe(ROUNDS);
    const numbers = spread(late.flat());
    report('decisionInstant', { with: queue, measured: words(numbers), numbers: { ...numbers } });
  });

  it('takes effect at PostgreSQL here and there', async () => {
    const seen = await rounds('effect, spread', async () => {
      const grants = await population.mortal({
        count: effect.count,
        inMs: 15_000,
        overMs: overMs(effect),
        pickedUp: effect.count / 10,
        roles: true,
      });
      const watch = await Watch.over(stage, grants, { sessionEvery: 16 });
      await proven(grants, 300_000);
      return watch.end();
    });
    expect(seen.length).toBe(ROUNDS);
    const [shut, closed, cut] = (['shut', 'closed', 'cut'] as const).map((what) =>
      spread(seen.flatMap((round) => round[what])),
    );
    // Both have to be over; the sessions are what Curfew itself has to end.
    const [p50, p99, max] = (['p50', 'p99', 'max'] as const).map((what) => Math.max(shut![what], cut![what]));
    report('effectSpread', {
      with: queue,
      measured: `no login: ${words(shut!)}; no session: ${words(cut!)}; NOLOGIN besides VALID UNTIL: ${words(closed!)}`,
      numbers: { p50: p50!, p99: p99!, max: max!, closed: closed!.p99 },
    });
  });

  it('takes effect at PostgreSQL in one instant', async () => {
    const seen = await rounds('effect, one instant', async () => {
      const grants = await population.mortal({ count: instant, inMs: 90_000, overMs: 0, pickedUp: 500, roles: true });
      const watch = await Watch.over(stage, grants, { sessionEvery: instant / 20 });
      const ends = await proven(grants, 900_000);
      const { shut, closed, cut } = await watch.end();
      return { shut: spread([...shut, ...cut]).max, closed: spread(closed).max, proven: spread(ends).max };
    });
    expect(seen.length).toBe(ROUNDS);
    const [shut, closed, ended] = (['shut', 'closed', 'proven'] as const).map((what) =>
      spread(seen.map((round) => round[what])),
    );
    report('effectInstant', {
      with: queue,
      measured: `all shut (no login, no session) in ${milliseconds(shut!.max)}; NOLOGIN for all in ${milliseconds(closed!.max)}; all proven: p50 ${milliseconds(ended!.p50)}, max ${milliseconds(ended!.max)}`,
      numbers: { shut: shut!.max, closed: closed!.max, proven: ended!.max },
    });
  });
});
