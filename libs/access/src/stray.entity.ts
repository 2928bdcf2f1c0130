import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { StrayState } from './stray.machine';

/** Something at a target that bears our name and that no grant answers for. */
@Entity('strays')
export class Stray {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'target_id' })
  targetId!: string;

  /** The grant whose name it bears: there may be no such row. */
  @Column('uuid', { name: 'grant_id' })
  grantId!: string;

  /** The server on which it was found, where the target says which it is. */
  @Column('text', { name: 'found_on', nullable: true })
  foundOn!: string | null;

  @Column('text', { default: 'found' })
  state!: StrayState;

  @Column('integer', { default: 1 })
  revision!: number;

  @Column({ type: 'timestamptz', name: 'found_at', insert: false, update: false })
  foundAt!: Date;

  /** It is removed then, unless somebody says so earlier. */
  @Column({ type: 'timestamptz', name: 'remove_at', insert: false, update: false })
  removeAt!: Date;

  @Column('timestamptz', { name: 'removing_at', nullable: true })
  removingAt!: Date | null;

  @Column('timestamptz', { name: 'removed_at', nullable: true })
  removedAt!: Date | null;

  @Column('timestamptz', { name: 'cleared_at', nullable: true })
  clearedAt!: Date | null;

  /** What was done and seen at the target; holds no secret. */
  @Column('jsonb', { nullable: true })
  evidence!: Readonly<Record<string, unknown>> | null;

  @Column('bytea', { name: 'evidence_digest', nullable: true })
  evidenceDigest!: Buffer | null;
}
