import type { GroupsFile } from './groups';
import type { Rule } from './rule';
import { personFrom, type Person, type Situation } from './situation';
import { matches } from './truth';

/** Who could decide: the group, and its members (`<connection>/<subject>`) as far as anybody can know them. */
export interface Approvers {
  readonly count: number;
  readonly group: string;
  /**
   * Each person once, without the requester and without those whom a `forbid` excludes. Where a claim decides who is in:
   * absent, unless sign-ins have shown too few.
   */
  readonly known?: readonly string[];
}

/** Members of groups that no file lists, as far as sign-ins have shown them. */
export type SeenMembers = Readonly<Record<string, readonly string[]>>;

/** The members of a group; `undefined` when nobody can tell. An undeclared group has none. */
export function membersOf({ groups }: GroupsFile, name: string, seen: SeenMembers = {}): readonly string[] | undefined {
  const group = groups.get(name);
  if (group?.source === 'claim') return Object.hasOwn(seen, name) ? seen[name] : undefined;
  return group?.members ?? [];
}

/** Somebody in a group: this member, or any that its claim makes. */
export function personIn({ groups }: GroupsFile, name: string, member?: string): Person {
  const group = groups.get(name);
  const known = member === undefined ? {} : personFrom(member);
  if (group?.source !== 'claim') return known;
  return { connection: group.connection, ...known, claims: new Map([[name, true]]) };
}

/** The `forbid`s on `approve` that might keep somebody from it in this situation. */
export function forbidsToApprove(rules: readonly Rule[], situation: Situation): readonly Rule[] {
  const toApprove = rules.filter(({ effect, actions }) => effect === 'forbid' && actions.has('approve'));
  return toApprove.filter((forbid) => matches(forbid, { ...situation, action: 'approve' }) !== false);
}

/** Whether none of them is certain to keep this person from it; what the situation leaves open may still be against it. */
export function mightApprove(forbids: readonly Rule[], situation: Situation, person: Person): boolean {
  return forbids.every((forbid) => matches(forbid, { ...situation, action: 'approve', person }) !== true);
}
