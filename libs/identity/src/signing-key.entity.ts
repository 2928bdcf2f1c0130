import type { JWK } from 'jose';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A key that Curfew signs its own tokens with. The newest signs, all verify. */
@Entity('signing_keys')
export class SigningKey {
  /** The tokens' `kid`. */
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  algorithm!: 'EdDSA';

  @Column('jsonb', { name: 'public_jwk' })
  publicJwk!: JWK;

  @Column('bytea', { name: 'private_sealed' })
  privateSealed!: Buffer;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
