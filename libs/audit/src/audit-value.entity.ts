import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What a commitment stands for, sealed. */
@Entity('audit_values')
export class AuditValue {
  @PrimaryColumn('bytea')
  commitment!: Buffer;

  @Column('bytea')
  sealed!: Buffer;
}
