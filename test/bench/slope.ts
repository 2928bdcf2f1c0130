/** What there was at one moment of a long run. */
export interface Sample {
  /** Since the beginning. */
  readonly minutes: number;
  /** Megabytes. */
  readonly memory: number;
  readonly disk: number;
  /** Megabytes of the database. */
  readonly record: number;
  /** How many grants there are, ended ones as well. */
  readonly grants: number;
}

/** By how much a value grows in a minute, by least squares; the first third of the run, in which all warms up, is left out. */
export function slope<K extends string>(all: readonly (Record<K, number> & { minutes: number })[], what: K): number {
  const samples = all.slice(Math.floor(all.length / 3));
  const mean = (of: (sample: (typeof samples)[number]) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ minutes }) => minutes), mean((sample) => sample[what])];
  const variance = mean(({ minutes }) => (minutes - x) ** 2);
  return variance === 0 ? 0 : mean((sample) => (sample.minutes - x) * (sample[what] - y)) / variance;
}

/** What the record of a grant takes in the last third of the run, over what it takes in the second. */
export function growth(samples: readonly Sample[]): number {
  const [second, third] = [Math.floor(samples.length / 3), Math.floor((2 * samples.length) / 3)];
  const perGrant = (from: Sample | undefined, to: Sample | undefined): number =>
    from && to ? (to.record - from.record) / (to.grants - from.grants) : Number.NaN;
  return perGrant(samples[third], samples.at(-1)) / perGrant(samples[second], samples[third]);
}
