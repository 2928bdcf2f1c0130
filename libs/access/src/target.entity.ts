import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** One connected system. */
@Entity('targets')
export class Target {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  /** Which provider knows it. */
  @Column('text')
  kind!: string;

  @Column('text', { name: 'owner_group' })
  ownerGroup!: string;

  @Column('integer', { default: 1 })
  revision!: number;

  /** Parsed by the provider's `connection` schema. Holds no secret. */
  @Column('jsonb')
  connection!: object;

  @Column('bytea', { name: 'password_sealed' })
  passwordSealed!: Buffer;

  @Column('bytea', { name: 'config_hash' })
  configHash!: Buffer;

  /** When somebody last looked at what bears our name there. */
  @Column({ type: 'timestamptz', name: 'surveyed_at', nullable: true, insert: false, update: false })
  surveyedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}

/** One named right on a target that may be asked for. */
@Entity('entitlements')
export class Entitlement {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'target_id' })
  targetId!: string;

  @Column('text')
  name!: string;

  /** Parsed by the provider's `entitlement` schema. */
  @Column('jsonb')
  config!: object;

  @Column('timestamptz', { name: 'retired_at', nullable: true })
  retiredAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'created_at', insert: false, update: false })
  createdAt!: Date;
}
