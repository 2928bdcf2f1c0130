import { excludedApprovers, membersOf, withoutExcluded } from './approvers';
import { entityAt, annotationAt, problemAt } from './cedar-text';
import type { GroupsFile } from './groups';
import type { Report, Rule } from './rule';
import { entitiesIn, scopeOf } from './scope';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An id that is used twice would make two rules one. */
export function checkUnique(rules: readonly Rule[], report: Report): void {
  const first = new Map<string, Rule>();
  for (const rule of rules) {
    const other = first.get(rule.id);
    if (!other) first.set(rule.id, rule);
    else {
      const { file, line } = problemAt(other.source, '', annotationAt(other.source, 'id'));
      const message = `@id("${rule.id}") is already the id of the policy in ${file}, line ${line}`;
      report(problemAt(rule.source, message, annotationAt(rule.source, 'id')));
    }
  }
}

/** A name that cannot be anybody's is a mistake: a `forbid` on it would forbid nobody. */
export function checkNames(rule: Rule, groups: GroupsFile, report: Report): void {
  const wrong = new Map<string, { type: string; id: string; message: string }>();
  for (const { type, id } of entitiesIn(rule.json)) {
    const message = NAMES[type]?.(id, groups);
    if (message !== undefined) wrong.set(JSON.stringify([type, id]), { type, id, message });
  }
  for (const { type, id, message } of wrong.values())
    report(problemAt(rule.source, message, entityAt(rule.source, type, id)));
}

const NAMES: Partial<Record<string, (id: string, groups: GroupsFile) => string | undefined>> = {
  Group: (id, { file, groups }) =>
    groups.has(id) ? undefined : `nobody declared Group::${JSON.stringify(id)} in ${file}`,
  Human: (id) => (UUID.test(id) ? undefined : 'a Human is named by its id, a UUID in lower case'),
  Target: (id) => (id.includes('/') ? 'a target has no "/" in its name' : undefined),
  Entitlement: (id) => (/^[^/]+\/./.test(id) ? undefined : 'an Entitlement is named "<target>/<entitlement>"'),
};

/** Promised: a rule that nobody could ever satisfy does not come into force. Judged where members are known. */
export function checkSatisfiable(rule: Rule, rules: readonly Rule[], groups: GroupsFile, report: Report): void {
  const approval = rule.terms?.approval;
  if (approval === undefined || approval === 'none') return;
  const { count, group } = approval;
  const problem = (message: string) => {
    report(problemAt(rule.source, message, annotationAt(rule.source, 'approval')));
  };
  if (!groups.groups.has(group)) {
    problem(`nobody declared Group::${JSON.stringify(group)} in ${groups.file}`);
    return;
  }
  const excluded = excludedApprovers(rules, groups, scopeOf(rule.json.resource));
  const members = membersOf(groups, group);
  if (excluded === 'all') problem('nobody could satisfy this: a forbid keeps everybody from approving it');
  else if (members) checkCount(rule, { count, group, left: withoutExcluded(members, excluded) }, groups, problem);
}

interface Left {
  readonly count: number;
  readonly group: string;
  readonly left: readonly string[];
}

function checkCount(rule: Rule, { count, group, left }: Left, groups: GroupsFile, problem: (m: string) => void): void {
  const name = `Group::"${group}"`;
  if (left.length < count) {
    problem(`nobody could satisfy this: it takes ${count} of ${name}, which has ${left.length} who may approve`);
    return;
  }
  const { within } = scopeOf(rule.json.principal);
  const askers = within?.type === 'Group' ? membersOf(groups, within.id) : undefined;
  if (!askers || askers.length === 0) return;
  const decidable = askers.some((asker) => left.filter((member) => member !== asker).length >= count);
  if (!decidable)
    problem(`nobody could satisfy this: without the requester, ${name} never has ${count} who may approve`);
}
