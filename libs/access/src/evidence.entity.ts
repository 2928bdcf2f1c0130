import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

export type EvidenceKind = 'issue' | 'end' | 'proof' | 'tidy';

/** What was tried and seen at the target. Appended, never changed; holds no secret. */
@Entity('evidence')
export class Evidence {
  /** A bigint, as text: evidence is read in the order in which it was written. */
  @PrimaryGeneratedColumn('identity', { type: 'bigint' })
  id!: string;

  @Column('uuid', { name: 'grant_id' })
  grantId!: string;

  @Column('text')
  kind!: EvidenceKind;

  @Column('jsonb')
  body!: Readonly<Record<string, unknown>>;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
