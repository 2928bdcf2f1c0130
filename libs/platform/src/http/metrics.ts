import { collectDefaultMetrics, Registry, type OpenMetricsContentType } from 'prom-client';

/** This process' numbers, in OpenMetrics form. */
export function createMetrics(process: string): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  registry.setDefaultLabels({ process });
  collectDefaultMetrics({ register: registry });
  return registry;
}
