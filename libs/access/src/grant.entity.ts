import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { Leftover } from '@app/providers';
import type { EndReason, GrantState } from './grant.machine';
import type { LastAttempt } from './last-attempt';

/** One entitlement for one identity, from approval until its end is proven. */
@Entity('grants')
export class Grant {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'request_id' })
  requestId!: string;

  @Column('bytea', { name: 'scope_hash' })
  scopeHash!: Buffer;

  @Column('uuid', { name: 'identity_id' })
  identityId!: string;

  @Column('uuid', { name: 'target_id' })
  targetId!: string;

  @Column('uuid', { name: 'entitlement_id' })
  entitlementId!: string;

  @Column('text', { default: 'scheduled' })
  state!: GrantState;

  @Column('integer', { default: 1 })
  revision!: number;

  @Column('integer', { name: 'duration_seconds' })
  durationSeconds!: number;

  /** The latest instant at which it may begin. */
  @Column('timestamptz', { name: 'activate_by' })
  activateBy!: Date;

  /** The deadline; before it is active, the latest instant at which it may exist. */
  @Column('timestamptz', { name: 'ends_at' })
  endsAt!: Date;

  @Column('timestamptz', { name: 'activated_at', nullable: true })
  activatedAt!: Date | null;

  /** The server on which it is made, as that server says it is; nothing before anybody was there, or where it does not say. */
  @Column('text', { name: 'made_on', nullable: true })
  madeOn!: string | null;

  /** When its end was decided. */
  @Column('timestamptz', { name: 'ending_at', nullable: true })
  endingAt!: Date | null;

  @Column('text', { name: 'end_reason', nullable: true })
  endReason!: EndReason | null;

  @Column('timestamptz', { name: 'stuck_at', nullable: true })
  stuckAt!: Date | null;

  /** When its end was proven. */
  @Column('timestamptz', { name: 'ended_at', nullable: true })
  endedAt!: Date | null;

  /** The code of what kept it from beginning, or keeps it from ending. */
  @Column('text', { nullable: true })
  failure!: string | null;

  /** What an end that is not proven yet has come to. */
  @Column('jsonb', { name: 'last_attempt', nullable: true })
  lastAttempt!: LastAttempt | null;

  @Column('bytea', { name: 'evidence_digest', nullable: true })
  evidenceDigest!: Buffer | null;

  @Column('jsonb', { default: [] })
  leftovers!: readonly Leftover[];

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
