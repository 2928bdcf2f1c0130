import type { VitalSigns } from '@app/access';
import type { Operations } from '@app/platform';
import { askedGauge, type Metrics } from '@app/platform/http';
import type { BullBell } from '@app/platform/queue';

export interface Watched {
  readonly vitalSigns: Pick<VitalSigns, 'read' | 'overdue' | 'strays' | 'leftovers'>;
  readonly operations: Pick<Operations, 'oldestSeconds'>;
  readonly bell: Pick<BullBell, 'silentSeconds'>;
}

/** What the worker's numbers say of the whole: each is asked for when somebody looks. */
export function watch(metrics: Metrics, { vitalSigns, operations, bell }: Watched): void {
  askedGauge(metrics, {
    name: 'curfew_grants',
    help: 'Grants that have not ended, by state.',
    label: 'state',
    ask: async () => (await vitalSigns.read()).grants,
  });
  askedGauge(metrics, {
    name: 'curfew_leftovers',
    help: 'Grants that have ended and left something behind, which somebody has to look through.',
    ask: async () => (await vitalSigns.leftovers()).count,
  });
  askedGauge(metrics, {
    name: 'curfew_overdue_seconds',
    help: 'How long the oldest deadline of a grant has been over without its end being decided.',
    ask: async () => (await vitalSigns.overdue())?.seconds ?? 0,
  });
  askedGauge(metrics, {
    name: 'curfew_strays',
    help: 'What bears our name at targets, belongs to no grant, and is there still.',
    ask: async () => (await vitalSigns.strays()).count,
  });
  askedGauge(metrics, {
    name: 'curfew_oldest_operation_seconds',
    help: 'How long the oldest operation that is due has been waiting to be taken.',
    ask: () => operations.oldestSeconds(),
  });
  askedGauge(metrics, {
    name: 'curfew_queue_canary_seconds',
    help: 'How long ago a canary job last came through the queue.',
    ask: () => Promise.resolve(bell.silentSeconds()),
  });
}
