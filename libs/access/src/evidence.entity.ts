import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

export type EvidenceKind = 'issue' | 'end' | 'proof' | 'tidy';

/** What was tried and seen at the target. Appended, never changed; holds no secret. */
@Entity('evidence')
export class Evidence {
  @PrimaryGeneratedColumn('uuid')
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
