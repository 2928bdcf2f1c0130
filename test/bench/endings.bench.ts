import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../scripts/waiting';
import { report, ROUNDS, spread, words } from './figures';
import { Population, type Mortal } from './population';
import { BenchStage, type Backend } from './stage';
import { Watch } from './watch';

const LIVING = 100_000;
const BACKENDS: readonly Backend[] = ['PostgreSQL', 'Redis'];
const WANTED = (process.env['CURFEW_BENCH_BACKENDS'] ?? BACKENDS.join()).split(',');

describe.each(BACKENDS.filter((backend) => WANTED.includes(backend)))('endings, with the queue on %s', (backend) => {
  let stage: BenchStage;
  let population: Population;
  beforeAll(async () => {
    stage = await BenchStage.begin(backend);
    for (const name of ['ada', 'ben']) await stage.service.person(name);
    population = new Population(stage);
    await population.living(LIVING);
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
    const late: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const grants = await population.mortal({ count: 2_000, inMs: 3_000, overMs: 20_000 });
      await proven(grants, 120_000);
      late.push(...(await decided(grants)));
    }
    const numbers = spread(late);
    report({
      name: `decision to end, ${LIVING} active, spread at 100/s (queue: ${backend})`,
      goal: 'p99 ≤ 20 ms',
      measured: words(numbers),
      numbers: { ...numbers },
      met: numbers.p99 <= 20,
    });
    expect(late.length).toBe(ROUNDS * 2_000);
  });

  it('decides what ends in one instant', async () => {
    const late: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const grants = await population.mortal({ count: 5_000, inMs: 3_000, overMs: 0 });
      await proven(grants, 300_000);
      late.push(...(await decided(grants)));
    }
    const numbers = spread(late);
    report({
      name: `decision to end, ${LIVING} active, 5,000 in one instant (queue: ${backend})`,
      goal: 'p99 ≤ 250 ms, max ≤ 1 s',
      measured: words(numbers),
      numbers: { ...numbers },
      met: numbers.p99 <= 250 && numbers.max <= 1_000,
    });
    expect(late.length).toBe(ROUNDS * 5_000);
  });

  it('takes effect at PostgreSQL here and there', async () => {
    const shut: number[] = [];
    const cut: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const grants = await population.mortal({ count: 1_600, inMs: 6_000, overMs: 20_000, pickedUp: 160, roles: true });
      const watch = await Watch.over(stage, grants, { sessionEvery: 8 });
      await proven(grants, 120_000);
      const seen = await watch.end();
      shut.push(...seen.shut);
      cut.push(...seen.cut);
    }
    const numbers = spread([...shut, ...cut]);
    report({
      name: `effect at PostgreSQL (no login, no session), spread at 80/s (queue: ${backend})`,
      goal: 'p50 ≤ 15 ms, p99 ≤ 50 ms',
      measured: `${words(numbers)}; of ${cut.length} sessions: ${words(spread(cut))}`,
      numbers: { ...numbers, sessions: cut.length },
      met: numbers.p50 <= 15 && numbers.p99 <= 50,
    });
    expect(shut.length).toBe(ROUNDS * 1_600);
  });

  it('takes effect at PostgreSQL in one instant', async () => {
    const rounds: { shut: number; proven: number }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const grants = await population.mortal({ count: 5_000, inMs: 25_000, overMs: 0, pickedUp: 500, roles: true });
      const watch = await Watch.over(stage, grants, { sessionEvery: 250 });
      const ends = await proven(grants, 600_000);
      const seen = await watch.end();
      rounds.push({ shut: spread([...seen.shut, ...seen.cut]).max, proven: spread(ends).max });
    }
    const shut = spread(rounds.map((round) => round.shut));
    const ended = spread(rounds.map((round) => round.proven));
    report({
      name: `effect at PostgreSQL, 5,000 in one instant, 500 of them picked up, 20 with a session (queue: ${backend})`,
      goal: 'all shut ≤ 2 s, all proven ≤ 10 s',
      measured: `all shut: ${words(shut)}; all proven: ${words(ended)}`,
      numbers: { shut: shut.max, proven: ended.max },
      met: shut.max <= 2_000 && ended.max <= 10_000,
    });
    expect(rounds.length).toBe(ROUNDS);
  });
});
