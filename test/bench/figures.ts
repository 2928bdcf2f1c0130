import { appendFileSync } from 'node:fs';
import { GOALS, type Numbers } from './goals';

/** One line of the table: what was measured, what it is to be, and the floor that was measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly goal: string;
  /** In words, with its unit: `p50 3.1 ms, p99 8.0 ms`. */
  readonly measured: string;
  /** The same as numbers, for whoever compares runs. */
  readonly numbers: Numbers;
  /** What the machine does without us. */
  readonly floor?: string;
  readonly met: boolean;
}

/** How often each figure is measured. */
export const ROUNDS = Number(process.env['CURFEW_BENCH_ROUNDS'] ?? 3);

/** What is measured in one round, as often as there are rounds. */
export async function rounds<T>(name: string, round: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let count = 1; count <= ROUNDS; count += 1) {
    say(`${name}: round ${count} of ${ROUNDS}`);
    all.push(await round());
  }
  return all;
}

/** To whoever waits: how far it is. */
export function say(words: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${words}\n`);
}

/** Whoever runs the bench collects them: in a file, a line each. */
export function report(
  of: keyof typeof GOALS,
  { with: where, ...measured }: Pick<Figure, 'measured' | 'numbers' | 'floor'> & { with?: string },
): void {
  const { figure, goal, met } = GOALS[of];
  const name = where === undefined ? figure : `${figure} (${where})`;
  const line: Figure = { name, goal, ...measured, met: met(measured.numbers) };
  const file = process.env['CURFEW_BENCH_FILE'];
  if (file) appendFileSync(file, `${JSON.stringify(line)}\n`);
  say(`${name}: ${line.measured}${line.floor ? `; floor: ${line.floor}` : ''}`);
}

/** The value below which this share of all samples lies: 0.5 is the median. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export const spread = (samples: readonly number[]): Spread => ({
  p50: percentile(samples, 0.5),
  p99: percentile(samples, 0.99),
  max: percentile(samples, 1),
});

export const median = (samples: readonly number[]): number => percentile(samples, 0.5);

/** Milliseconds as people read them. */
export function milliseconds(value: number): string {
  return value >= 1_000 ? `${(value / 1_000).toFixed(2)} s` : `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

export const words = ({ p50, p99, max }: Spread): string =>
  `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}, max ${milliseconds(max)}`;

/** Beside its floor: medians of so many in a second. */
export function rated(rates: readonly number[], floors: readonly number[], unit = '/s') {
  const [rate, floor] = [median(rates), median(floors)];
  return {
    measured: `${rate.toFixed(0)}${unit} (${(rate / floor).toFixed(2)} of the floor)`,
    floor: `${floor.toFixed(0)}${unit}`,
    numbers: { rate, floor },
  };
}
