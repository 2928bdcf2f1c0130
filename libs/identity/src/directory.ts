import { In, type EntityManager } from 'typeorm';
import { IdentityUnknown } from './identity.errors';
import { Identity, type IdentityKind } from './identity.entity';
import { linksAmong, peopleAmong } from './same-person';

/** Somebody as policies and other people see them. */
export interface Person {
  readonly identityId: string;
  readonly kind: IdentityKind;
  /** The connection's name. */
  readonly connection: string;
  readonly subject: string;
  readonly name: string;
  readonly email: string | null;
  /** What the provider calls their groups, as far as it still counts. Which groups of Curfew's these are, `groups.yaml` says. */
  readonly claims: readonly string[];
}

/** The columns of a {@link Person}, of `identities AS i` and `connections AS c`. */
export const PERSON = `i.id AS "identityId", i.kind, c.name AS connection, i.subject, i.name, i.email,
  ARRAY(SELECT g.group_name FROM group_members g
        WHERE g.source = 'claim' AND g.connection = c.name AND g.subject = i.subject AND g.expires_at > clock_timestamp()
        ORDER BY 1) AS claims`;

/** By their ids. Who does not exist is absent. */
export async function peopleOf(manager: EntityManager, ids: readonly string[]): Promise<ReadonlyMap<string, Person>> {
  const people = await manager.query<Person[]>(
    `SELECT ${PERSON} FROM identities i JOIN connections c ON c.id = i.connection_id WHERE i.id = ANY($1)`,
    [[...new Set(ids)]],
  );
  return new Map(people.map((person) => [person.identityId, person]));
}

/** @throws IdentityUnknown */
export async function personOf(manager: EntityManager, identityId: string): Promise<Person> {
  const person = (await peopleOf(manager, [identityId])).get(identityId);
  if (!person) throw new IdentityUnknown(identityId);
  return person;
}

/** What people are called, by their ids: for lists. Who does not exist is absent. */
export async function namesOf(manager: EntityManager, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const found = await manager.find(Identity, {
    select: { id: true, name: true },
    where: { id: In([...new Set(ids)]) },
  });
  return new Map(found.map(({ id, name }) => [id, name]));
}

/** Whom the files list in a group. Who never signed in has no identity yet. */
export interface KnownMember {
  readonly group: string;
  readonly connection: string;
  readonly subject: string;
  readonly identityId: string | null;
  readonly name: string | null;
}

/** The known members of groups whose source is a file. Members by claim are known to the provider alone. */
export async function knownMembers(manager: EntityManager, groups: readonly string[]): Promise<readonly KnownMember[]> {
  return manager.query<KnownMember[]>(
    `SELECT g.group_name AS "group", g.connection, g.subject, i.id AS "identityId", i.name
     FROM group_members g
     LEFT JOIN connections c ON c.name = g.connection
     LEFT JOIN identities i ON i.connection_id = c.id AND i.subject = g.subject
     WHERE g.source = 'file' AND g.group_name = ANY($1)
     ORDER BY 1, 2, 3`,
    [[...groups]],
  );
}

/** A group as its provider calls it. */
export interface ClaimedGroup {
  /** The connection's name. */
  readonly connection: string;
  readonly value: string;
}

/**
 * The subjects that sign-ins have ever shown in groups of providers, in the order of the groups, also where a sign-in does
 * not count any more: who is in is seen again when they sign in. Of each group no more than `most`.
 */
export async function seenInGroups(
  manager: EntityManager,
  groups: readonly ClaimedGroup[],
  most: number,
): Promise<readonly (readonly string[])[]> {
  if (groups.length === 0) return [];
  const rows = await manager.query<{ subjects: string[] }[]>(
    `SELECT ARRAY(SELECT g.subject FROM group_members g
                  WHERE g.source = 'claim' AND g.connection = wanted.connection AND g.group_name = wanted.value
                  LIMIT $3) AS subjects
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (connection, value, place) ORDER BY place`,
    [groups.map((group) => group.connection), groups.map((group) => group.value), most],
  );
  return rows.map(({ subjects }) => subjects);
}

/** A connection's name, and what it calls somebody. */
export type Account = Pick<Person, 'connection' | 'subject'>;

/**
 * Which of these accounts are one person's, as {@link countsAs} has it: a list for each person with more than one. Who never
 * signed in has one.
 */
export async function sharedAccounts(
  manager: EntityManager,
  accounts: readonly Account[],
): Promise<readonly (readonly Account[])[]> {
  if (accounts.length < 2) return [];
  const known = await manager.query<(Account & { id: string })[]>(
    `SELECT i.id, c.name AS connection, i.subject
     FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS asked (connection, subject)
     JOIN connections c ON c.name = asked.connection
     JOIN identities i ON i.connection_id = c.id AND i.subject = asked.subject ORDER BY 2, 3`,
    [accounts.map(({ connection }) => connection), accounts.map(({ subject }) => subject)],
  );
  const ids = known.map(({ id }) => id);
  const people = peopleAmong(ids, await linksAmong(manager, ids));
  return [...Map.groupBy(known, ({ id }) => people.get(id)).values()]
    .filter(({ length }) => length > 1)
    .map((some) => some.map(({ connection, subject }) => ({ connection, subject })));
}

/**
 * Everybody who counts as this identity, itself included, when somebody else is needed: accounts that have ever had
 * the same e-mail address, whoever owns it when it is not a human, and what those own. Owners are those whom the files list.
 */
export async function countsAs(manager: EntityManager, identityId: string): Promise<ReadonlySet<string>> {
  const rows = await manager.query<{ id: string }[]>(
    `WITH ownership AS (
       SELECT owned.id AS owned, owner.id AS owner
       FROM identities owned
       JOIN group_members g ON g.group_name = owned.owner_group AND g.source = 'file'
       JOIN connections c ON c.name = g.connection
       JOIN identities owner ON owner.connection_id = c.id AND owner.subject = g.subject
       WHERE owned.kind <> 'human'
     ), people AS (
       SELECT $1::uuid AS id UNION SELECT owner FROM ownership WHERE owned = $1
     ), accounts AS (
       SELECT id FROM people
       UNION SELECT other.identity_id FROM people JOIN identity_addresses own ON own.identity_id = people.id
         JOIN identity_addresses other USING (address)
     )
     SELECT id FROM accounts UNION SELECT owned FROM ownership JOIN accounts ON accounts.id = ownership.owner`,
    [identityId],
  );
  return new Set(rows.map((row) => row.id));
}
