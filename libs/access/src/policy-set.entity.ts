import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { PolicySource } from '@app/policy';

/** The policies that apply, or did: to the letter. */
@Entity('policy_sets')
export class AppliedPolicySet {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('text', { default: 'applied' })
  state!: 'applied' | 'superseded';

  @Column('text')
  version!: string;

  @Column('jsonb')
  sources!: readonly PolicySource[];

  @Column('jsonb', { name: 'groups_source' })
  groupsSource!: PolicySource;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
