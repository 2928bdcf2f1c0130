import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A way to sign in. Identities hang on the row, so that an issuer whose address changes stays the same. */
@Entity('connections')
export class Connection {
  @PrimaryColumn('uuid')
  id!: string;

  /** The part before the slash of a member in `groups.yaml`. */
  @Column('text')
  name!: string;

  @Column('text')
  issuer!: string;

  @Column('text', { name: 'client_id' })
  clientId!: string;

  /** The claim of the ID token that lists groups, when they count. */
  @Column('text', { name: 'group_claim', nullable: true })
  groupClaim!: string | null;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', insert: false, update: false })
  updatedAt!: Date;
}
