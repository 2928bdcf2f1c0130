export { AuditEvent } from './audit-event.entity';
export { AuditEvents, type EventFilter, type RecordedEvent } from './audit-events.service';
export { AuditValue } from './audit-value.entity';
export { Commitments } from './commitments';
export { Recorder, type Act } from './recorder';
