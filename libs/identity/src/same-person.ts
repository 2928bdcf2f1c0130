import type { EntityManager } from 'typeorm';

/** Two identities that have had the same e-mail address at some time. */
export type Link = readonly [string, string];

/** An address is enough to exclude, and is never enough to allow: it counts also when nobody verified it, and when it is no more. */
export async function linksAmong(manager: EntityManager, identityIds: readonly string[]): Promise<readonly Link[]> {
  if (identityIds.length < 2) return [];
  const rows = await manager.query<{ one: string; other: string }[]>(
    `SELECT DISTINCT mine.identity_id AS one, theirs.identity_id AS other
     FROM identity_addresses mine JOIN identity_addresses theirs USING (address)
     WHERE mine.identity_id = ANY($1) AND theirs.identity_id = ANY($1) AND mine.identity_id < theirs.identity_id
     ORDER BY 1, 2`,
    [[...new Set(identityIds)]],
  );
  return rows.map(({ one, other }) => [one, other]);
}

/**
 * Who of these is who: classes of accounts of which each is linked with each. There are never fewer than the people among whom
 * no two are linked, so what takes more people than there are classes cannot be decided, for certain. One who has had the
 * addresses of two others makes no one of those.
 *
 * @returns for each identity the first one of its class
 */
export function peopleAmong(identityIds: readonly string[], links: readonly Link[]): ReadonlyMap<string, string> {
  const linked = new Set(links.flatMap(([one, other]) => [`${one} ${other}`, `${other} ${one}`]));
  const classes: [string, ...string[]][] = [];
  for (const id of new Set(identityIds)) {
    const own = classes.find((members) => members.every((member) => linked.has(`${id} ${member}`)));
    if (own) own.push(id);
    else classes.push([id]);
  }
  return new Map(classes.flatMap((members) => members.map((id) => [id, members[0]])));
}
