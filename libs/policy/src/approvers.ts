import type { GroupsFile } from './groups';
import type { Rule } from './rule';
import { scopeOf, surelyCovers, type Scope } from './scope';

/** Who could decide: the group, and its members (`<connection>/<subject>`) as far as anybody can know them. */
export interface Approvers {
  readonly count: number;
  readonly group: string;
  /** Without the requester and without those whom a `forbid` always excludes; absent when a claim decides who is in. */
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

/**
 * Members who are kept from approving whatever the circumstances: by a `forbid` on `approve` without conditions, on all
 * that `resource` speaks of. Others may still be kept from it when they try.
 */
export function excludedApprovers(
  rules: readonly Rule[],
  groups: GroupsFile,
  resource: Scope,
): ReadonlySet<string> | 'all' {
  const excluded = new Set<string>();
  for (const { json } of rules.filter((rule) => isStandingForbid(rule, resource))) {
    const { only, within } = scopeOf(json.principal);
    if (!only && !within) return 'all';
    for (const member of within?.type === 'Group' ? (membersOf(groups, within.id) ?? []) : []) excluded.add(member);
  }
  return excluded;
}

function isStandingForbid({ effect, actions, json }: Rule, resource: Scope): boolean {
  const isUnconditional = effect === 'forbid' && actions.has('approve') && json.conditions.length === 0;
  return isUnconditional && surelyCovers(scopeOf(json.resource), resource);
}

/** Those members who are left. */
export function withoutExcluded(members: readonly string[], excluded: ReadonlySet<string> | 'all'): readonly string[] {
  return excluded === 'all' ? [] : members.filter((member) => !excluded.has(member));
}
