import { Column, Entity, PrimaryColumn } from 'typeorm';

export const GROUP_SOURCES = ['file', 'claim'] as const;
export type GroupSource = (typeof GROUP_SOURCES)[number];

/** A membership, with its source. It names a subject, who need not have signed in yet. */
@Entity('group_members')
export class GroupMember {
  /** The connection's name. */
  @PrimaryColumn('text')
  connection!: string;

  @PrimaryColumn('text')
  subject!: string;

  /** `file`: a group of Curfew's. `claim`: what the provider calls a group; which group of Curfew's that is, `groups.yaml` says. */
  @PrimaryColumn('text', { name: 'group_name' })
  groupName!: string;

  @PrimaryColumn('text')
  source!: GroupSource;

  /** A claim counts for a bounded time, a file until it is applied again. */
  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt!: Date | null;
}
