import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One immutable event, written by the trigger of the row that changed. */
@Entity('audit_events')
export class AuditEvent {
  /** A bigint, as text. */
  @PrimaryColumn('bigint')
  id!: string;

  @Column('text', { name: 'subject_kind' })
  subjectKind!: string;

  @Column('uuid', { name: 'subject_id' })
  subjectId!: string;

  @Column('integer')
  sequence!: number;

  @Column('text', { name: 'from_state', nullable: true })
  fromState!: string | null;

  @Column('text', { name: 'to_state' })
  toState!: string;

  @Column('timestamptz')
  at!: Date;

  @Column('text')
  actor!: string;

  @Column('text')
  correlation!: string;

  /** The RFC 8785 bytes. */
  @Column('bytea')
  canonical!: Buffer;

  @Column({ type: 'bytea', name: 'leaf_hash', insert: false, update: false })
  leafHash!: Buffer;
}
