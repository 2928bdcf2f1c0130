import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { SignInEndReason, SignInState } from './sign-in.machine';

/** One time that somebody proves who they are, and the family of tokens that comes of it. */
@Entity('sign_ins')
export class SignIn {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'connection_id' })
  connectionId!: string;

  @Column('text')
  state!: SignInState;

  @Column('integer')
  revision!: number;

  /** The provider's device code, sealed, for as long as the sign-in is pending. */
  @Column('bytea', { name: 'device_code_sealed', nullable: true })
  deviceCodeSealed!: Buffer | null;

  /** SHA-256 of what the client must show to collect the tokens. */
  @Column('bytea', { name: 'handle_hash' })
  handleHash!: Buffer;

  @Column('integer', { name: 'poll_interval_seconds' })
  pollIntervalSeconds!: number;

  /** The provider is not asked before. */
  @Column('timestamptz', { name: 'next_poll_at' })
  nextPollAt!: Date;

  /** How long before the sign-in began the person may have proved who they are. */
  @Column('integer', { name: 'max_age_seconds' })
  maxAgeSeconds!: number;

  @Column('timestamptz', { name: 'lapses_at' })
  lapsesAt!: Date;

  @Column('uuid', { name: 'identity_id', nullable: true })
  identityId!: string | null;

  /** When the person proved who they are, by the provider's `auth_time`. */
  @Column('timestamptz', { name: 'signed_in_at', nullable: true })
  signedInAt!: Date | null;

  /** The end of the family of refresh tokens. */
  @Column('timestamptz', { name: 'ends_at', nullable: true })
  endsAt!: Date | null;

  @Column('text', { name: 'end_reason', nullable: true })
  endReason!: SignInEndReason | null;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
