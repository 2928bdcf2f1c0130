import type { GroupsFile } from './groups';
import type { Action } from './schema';

/** A name that no policy and no group speaks of. */
export const OTHER = Symbol('other');

/** `undefined`: any name at all. */
export type Name = string | typeof OTHER | undefined;

export interface Person {
  readonly id?: Name;
  readonly connection?: Name;
  readonly subject?: Name;
  /** Whether they are in a group that a claim fills; they may be in those that it does not name. */
  readonly claims?: ReadonlyMap<string, boolean>;
}

/** An entitlement: its target's name, its own, and what is known of the target. */
export interface Thing {
  readonly target?: Name;
  readonly name?: Name;
  readonly kind?: Name;
  readonly owner?: Name;
}

/** Somebody asks for something, or approves it. What is absent may be anything. */
export interface Situation {
  readonly action: Action;
  readonly groups: GroupsFile;
  readonly person: Person;
  readonly thing: Thing;
  readonly durationSeconds?: number | undefined;
  readonly signInAgeSeconds?: number | undefined;
}

/** `undefined`: it may be either. */
export type Truth = boolean | undefined;

/** A member as `groups.yaml` writes them: `<connection>/<subject>`. */
export function personFrom(member: string): Person & { readonly connection: string; readonly subject: string } {
  const slash = member.indexOf('/');
  return { connection: member.slice(0, slash), subject: member.slice(slash + 1) };
}

/** The reverse, where both parts are names. */
export function accountOf({ connection, subject }: Person): string | undefined {
  return typeof connection === 'string' && typeof subject === 'string' ? `${connection}/${subject}` : undefined;
}

export function isMember(situation: Situation, name: Name): Truth {
  if (typeof name !== 'string') return undefined;
  const group = situation.groups.groups.get(name);
  const { connection, claims } = situation.person;
  if (group?.source === 'file') return isListed(group.members, situation.person);
  const isElsewhere = connection !== undefined && connection !== group?.connection;
  return group && isElsewhere ? false : claims?.get(name);
}

function isListed(members: readonly string[], { connection, subject }: Person): Truth {
  if (members.length === 0 || connection === OTHER || subject === OTHER) return false;
  return connection === undefined || subject === undefined ? undefined : members.includes(`${connection}/${subject}`);
}
