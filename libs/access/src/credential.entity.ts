import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { CredentialState } from './credential.machine';

/** What a grant handed over. */
@Entity('credentials')
export class GrantCredential {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'grant_id' })
  grantId!: string;

  /** 1, and up to 4 after three replacements. */
  @Column('smallint')
  version!: number;

  @Column('text', { default: 'ready' })
  state!: CredentialState;

  @Column('integer', { default: 1 })
  revision!: number;

  /** Readable once; gone after pick-up. */
  @Column('bytea', { nullable: true })
  sealed!: Buffer | null;

  /** For the prover only: no other process has the key, nor the right to read the column. */
  @Column('bytea', { name: 'proof_sealed', nullable: true, select: false })
  proofSealed!: Buffer | null;

  @Column('timestamptz', { name: 'picked_up_at', nullable: true })
  pickedUpAt!: Date | null;

  /** The commitment to the client's address. */
  @Column('bytea', { name: 'picked_up_from_commitment', nullable: true })
  pickedUpFromCommitment!: Buffer | null;

  @Column('integer', { name: 'refused_pick_ups', default: 0 })
  refusedPickUps!: number;

  @Column('integer', { name: 'replacements_asked', default: 0 })
  replacementsAsked!: number;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
