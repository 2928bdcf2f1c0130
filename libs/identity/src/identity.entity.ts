import { Column, Entity, PrimaryColumn } from 'typeorm';

export const IDENTITY_KINDS = ['human', 'workload', 'agent'] as const;
export type IdentityKind = (typeof IDENTITY_KINDS)[number];

/** Who: a connection and what the provider calls somebody there. Name and e-mail are for people to read, and decide nothing. */
@Entity('identities')
export class Identity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  kind!: IdentityKind;

  @Column('uuid', { name: 'connection_id' })
  connectionId!: string;

  @Column('text')
  subject!: string;

  /** What is not human has an owner. */
  @Column('text', { name: 'owner_group', nullable: true })
  ownerGroup!: string | null;

  @Column('text')
  name!: string;

  @Column('text', { nullable: true })
  email!: string | null;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
