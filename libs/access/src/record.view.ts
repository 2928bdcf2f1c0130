import type { EntityManager } from 'typeorm';
import { AuditEvents, type EventFilter, type RecordedEvent } from '@app/audit';
import { NotPermitted } from './access.errors';
import type { Asker } from './facts';
import { Judge } from './judge';

/** The record, for those who may read it. */
export class RecordView {
  constructor(
    private readonly judge: Judge,
    private readonly events: AuditEvents,
  ) {}

  /** @throws NotPermitted */
  async list(manager: EntityManager, asker: Asker, filter: EventFilter): Promise<RecordedEvent[]> {
    const verdict = await this.judge.may(manager, asker, 'audit');
    if (!verdict.allowed) throw new NotPermitted('audit', verdict.refusal.message);
    return this.events.list(filter);
  }
}
