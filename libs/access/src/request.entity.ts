import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { RequestState } from './request.machine';

/** May I? It never changes after it was made, but for its state. */
@Entity('requests')
export class Request {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'identity_id' })
  identityId!: string;

  @Column('text', { default: 'pending' })
  state!: RequestState;

  @Column('integer', { default: 1 })
  revision!: number;

  @Column('integer', { name: 'duration_seconds' })
  durationSeconds!: number;

  /** The reason lies sealed beside the record. */
  @Column('bytea', { name: 'reason_commitment' })
  reasonCommitment!: Buffer;

  /** The client address it was asked from. */
  @Column('bytea', { name: 'address_commitment', nullable: true })
  addressCommitment!: Buffer | null;

  @Column('bytea', { name: 'scope_hash' })
  scopeHash!: Buffer;

  /** The policies it was asked under. */
  @Column('text', { name: 'policy_version' })
  policyVersion!: string;

  @Column('timestamptz', { name: 'signed_in_at' })
  signedInAt!: Date;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;

  @Column('timestamptz', { name: 'lapses_at' })
  lapsesAt!: Date;

  @Column('timestamptz', { name: 'decided_at', nullable: true })
  decidedAt!: Date | null;
}

@Entity('request_entitlements')
export class RequestEntitlement {
  @PrimaryColumn('uuid', { name: 'request_id' })
  requestId!: string;

  /** The request's own. */
  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @PrimaryColumn('uuid', { name: 'entitlement_id' })
  entitlementId!: string;

  @Column('smallint')
  position!: number;
}

/** One way in which one entitlement of a request may be approved, as it was when it was asked. */
@Entity('request_paths')
export class RequestPath {
  @PrimaryColumn('uuid', { name: 'request_id' })
  requestId!: string;

  /** The request's own. */
  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @PrimaryColumn('uuid', { name: 'entitlement_id' })
  entitlementId!: string;

  /** The rule's `@id`. */
  @PrimaryColumn('text')
  policy!: string;

  /** 0: nobody is needed. */
  @Column('smallint', { name: 'approvals_needed' })
  approvalsNeeded!: number;

  @Column('text', { name: 'approver_group', nullable: true })
  approverGroup!: string | null;
}
