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
 * Who of these is who, by the links among them alone: a third account that has had the addresses of two makes no one of them.
 *
 * @returns for each identity the first one of the same person
 */
export function peopleAmong(identityIds: readonly string[], links: readonly Link[]): ReadonlyMap<string, string> {
  const people = new Map(identityIds.map((id) => [id, id]));
  for (const [one, other] of links) {
    const [kept, gone] = [people.get(one), people.get(other)];
    if (kept === undefined || gone === undefined || kept === gone) continue;
    for (const [id, person] of people) if (person === gone) people.set(id, kept);
  }
  return people;
}
