import { appendFileSync } from 'node:fs';

/** One line of the table: what was measured, what it is to be, and the floor that was measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly goal: string;
  /** In words, with its unit: `p50 3.1 ms, p99 8.0 ms`. */
  readonly measured: string;
  /** The same as numbers, for whoever compares runs. */
  readonly numbers: Readonly<Record<string, number>>;
  /** What the machine does without us. */
  readonly floor?: string;
  readonly met: boolean;
}

/** How often each figure is measured. */
export const ROUNDS = Number(process.env['CURFEW_BENCH_ROUNDS'] ?? 3);

/** Whoever runs the bench collects them: in a file, a line each. */
export function report(figure: Figure): void {
  const file = process.env['CURFEW_BENCH_FILE'];
  if (file) appendFileSync(file, `${JSON.stringify(figure)}\n`);
  else process.stdout.write(`${figure.name}: ${figure.measured}\n`);
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

/** Milliseconds as people read them. */
export function milliseconds(value: number): string {
  return value >= 1_000 ? `${(value / 1_000).toFixed(2)} s` : `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

export const words = ({ p50, p99, max }: Spread): string =>
  `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}, max ${milliseconds(max)}`;
