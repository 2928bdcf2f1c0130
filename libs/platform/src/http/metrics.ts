import { collectDefaultMetrics, Gauge, Registry, type OpenMetricsContentType } from 'prom-client';

export type Metrics = Registry<OpenMetricsContentType>;

/** This process' numbers, in OpenMetrics form. */
export function createMetrics(process: string): Metrics {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  registry.setDefaultLabels({ process });
  collectDefaultMetrics({ register: registry });
  return registry;
}

export interface Asked {
  readonly name: string;
  readonly help: string;
  /** What there is one number for each value of. */
  readonly label?: string;
  /** The number; with a label, the number of each of its values. */
  readonly ask: () => Promise<number | Readonly<Record<string, number>>>;
}

/** The longest that a number is waited for, in milliseconds: whoever collects them waits for all. */
const PATIENCE_MS = 2_000;

/**
 * A number that is asked for when somebody looks. One that cannot be had, or not in time, is absent, which is an alert, and
 * takes no other with it: what was true before is no number of now.
 */
export function askedGauge(metrics: Metrics, { name, help, label, ask }: Asked): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [metrics],
    async collect() {
      const answer = await inTime(ask());
      gauge.reset();
      if (label === undefined) gauge.remove(); // reset() leaves a zero
      if (typeof answer === 'number') gauge.set(answer);
      else if (label !== undefined)
        for (const [value, count] of Object.entries(answer ?? {})) gauge.set({ [label]: value }, count);
    },
  });
}

async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), PATIENCE_MS);
  try {
    return await Promise.race([answer, late.promise]);
  } catch {
    // `/readyz` says what is wrong.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
