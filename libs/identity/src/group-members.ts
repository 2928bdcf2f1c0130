import type { Transaction } from '@app/platform';

/** Somebody in a group of a file. They need not have signed in yet. */
export interface FileMember {
  readonly group: string;
  /** The connection's name. */
  readonly connection: string;
  readonly subject: string;
}

/** Makes the members of the files exactly these. */
export async function replaceFileGroups(tx: Transaction, members: readonly FileMember[]): Promise<void> {
  await tx.query(`DELETE FROM group_members WHERE source = 'file'`);
  await tx.query(
    `INSERT INTO group_members (source, group_name, connection, subject)
     SELECT DISTINCT 'file', * FROM unnest($1::text[], $2::text[], $3::text[])`,
    [
      members.map((member) => member.group),
      members.map((member) => member.connection),
      members.map((member) => member.subject),
    ],
  );
}

/**
 * Makes the groups that the provider names for somebody exactly these, until `expiresAt`.
 *
 * @returns whether one that counted until now is gone
 */
export async function replaceClaimedGroups(
  tx: Transaction,
  person: { connection: string; subject: string },
  claimed: { groups: readonly string[]; expiresAt: Date },
): Promise<boolean> {
  const { connection, subject } = person;
  const [before] = await tx.query<[{ group_name: string }[], number]>(
    `DELETE FROM group_members WHERE source = 'claim' AND connection = $1 AND subject = $2 RETURNING group_name`,
    [connection, subject],
  );
  await tx.query(
    `INSERT INTO group_members (source, connection, subject, expires_at, group_name)
     SELECT 'claim', $1, $2, $3, * FROM unnest($4::text[])
     ON CONFLICT (connection, subject, group_name, source) DO UPDATE SET expires_at = excluded.expires_at`,
    [connection, subject, claimed.expiresAt, claimed.groups],
  );
  return before.some(({ group_name: group }) => !claimed.groups.includes(group));
}
