import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One of a family, as a hash. It may be used once. */
@Entity('refresh_tokens')
export class RefreshToken {
  @PrimaryColumn('bytea', { name: 'token_hash' })
  tokenHash!: Buffer;

  @Column('uuid', { name: 'sign_in_id' })
  signInId!: string;

  @Column({ type: 'timestamptz', name: 'issued_at', insert: false, update: false })
  issuedAt!: Date;

  @Column('timestamptz', { name: 'used_at', nullable: true })
  usedAt!: Date | null;
}
