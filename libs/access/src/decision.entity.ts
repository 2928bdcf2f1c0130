import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

export const VERDICTS = ['approve', 'deny'] as const;
export type DecisionVerdict = (typeof VERDICTS)[number];

/** One approver's verdict on one exact scope. */
@Entity('decisions')
export class Decision {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'request_id' })
  requestId!: string;

  @Column('bytea', { name: 'scope_hash' })
  scopeHash!: Buffer;

  /** `null` when the rule needs nobody. */
  @Column('uuid', { name: 'identity_id', nullable: true })
  identityId!: string | null;

  @Column('text', { name: 'state' })
  verdict!: DecisionVerdict;

  @Column('text', { name: 'policy_version' })
  policyVersion!: string;

  /** The rules this verdict counts for. */
  @Column('text', { array: true })
  policies!: string[];

  /** Beside each rule the entitlement that it counts for. */
  @Column('uuid', { array: true, name: 'entitlement_ids' })
  entitlementIds!: string[];

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
