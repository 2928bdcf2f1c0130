import { formatDuration, MAX_DURATION_SECONDS } from '@app/kernel';
import { membersOf } from './approvers';
import { entityAt, annotationAt, problemAt } from './cedar-text';
import type { GroupsFile } from './groups';
import type { Subject } from './possibilities';
import type { Committee, Report, Rule } from './rule';
import { eachPerson, type SamePeople } from './same-people';
import { canBeAsked, canBeDecided, forbidsOn } from './satisfiable';

const MOST_TRIED = 50;
const MOST_NAMED = 5;
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
  for (const { type, id } of rule.mentions.entities) {
    const message = NAMES[type]?.(id, groups);
    if (message !== undefined) wrong.set(JSON.stringify([type, id]), { type, id, message });
  }
  for (const { type, id, message } of wrong.values())
    report(problemAt(rule.source, message, entityAt(rule.source, type, id)));
  const approval = rule.terms?.approval ?? 'none';
  const message = approval === 'none' ? undefined : NAMES['Group']?.(approval.group, groups);
  if (message !== undefined) report(problemAt(rule.source, message, annotationAt(rule.source, 'approval')));
}

const NAMES: Partial<Record<string, (id: string, groups: GroupsFile) => string | undefined>> = {
  Group: (id, { file, groups }) =>
    groups.has(id) ? undefined : `nobody declared Group::${JSON.stringify(id)} in ${file}`,
  Human: (id) => (UUID.test(id) ? undefined : 'a Human is named by its id, a UUID in lower case'),
  Target: (id) => (id.includes('/') ? 'a target has no "/" in its name' : undefined),
  Entitlement: (id) => (/^[^/]+\/./.test(id) ? undefined : 'an Entitlement is named "<target>/<entitlement>"'),
};

/** What a rule is looked at with. */
interface Surroundings {
  readonly rules: readonly Rule[];
  readonly groups: GroupsFile;
  readonly samePeople?: SamePeople;
}

/**
 * Promised: a rule that nobody could ever satisfy does not come into force, where the files show it, with what is known of
 * who is who. Closing one is never refused: by a `forbid` on `request`, or by a list that loses its last member, access can
 * always be taken away.
 */
export function checkSatisfiable(rule: Rule, { rules, groups, samePeople }: Surroundings, report: Report): void {
  if (!rule.terms) return;
  const { maxDurationSeconds, approval } = rule.terms;
  const subject = { rule, maxDurationSeconds, groups, samePeople };
  // A group that nobody declared is reported as that.
  const isDeclared = approval !== 'none' && groups.groups.has(approval.group);
  const reason = contradiction(subject) ?? (isDeclared ? whyNobodyDecides(subject, approval, rules) : undefined);
  if (!reason) return;
  const at = reason.annotation === undefined ? 0 : annotationAt(rule.source, reason.annotation);
  report(problemAt(rule.source, `nobody could satisfy this: ${reason.message}`, at));
}

interface Reason {
  readonly message: string;
  /** What to point at, when it is written; the policy's first line otherwise. */
  readonly annotation?: string;
}

/** What it says excludes itself, whoever is on the lists. */
function contradiction(subject: Subject): Reason | undefined {
  const claims = [...subject.groups.groups].filter(([, { source }]) => source === 'claim');
  const whoever = { ...subject, groups: { ...subject.groups, groups: new Map(claims) } };
  if (canBeAsked(whoever, [])) return undefined;
  if (!canBeAsked({ ...whoever, maxDurationSeconds: MAX_DURATION_SECONDS }, []))
    return { message: 'its scope and conditions never hold together: mend them, or remove this' };
  const limit = formatDuration(subject.maxDurationSeconds);
  const message = `its conditions want longer access than the @maxDuration of ${limit}: raise that, or mend them`;
  return { message, annotation: 'maxDuration' };
}

function whyNobodyDecides(subject: Subject, approval: Committee, rules: readonly Rule[]): Reason | undefined {
  const { rule, groups, samePeople } = subject;
  const [count, group] = [approval.count, `Group::"${approval.group}"`];
  const accounts = membersOf(groups, approval.group);
  const size = accounts ? eachPerson(accounts, samePeople).length : Infinity;
  const tooFew = `it takes ${count} of ${group}, ${sizeWords(accounts?.length ?? size, size)}`;
  const more = `list more members in ${groups.file}, or ask for fewer`;
  const annotation = 'approval';
  if (size < count) return { message: `${tooFew}: ${more}`, annotation };
  const onApprove = forbidsOn('approve', rule, rules, groups);
  const isPossible = (forbids: readonly Rule[]) => canBeDecided(subject, approval, forbids);
  if (isPossible(onApprove) || !canBeAsked(subject, forbidsOn('request', rule, rules, groups))) return undefined;
  if (!isPossible([])) return { message: `${tooFew}, the requester among them: ${more}`, annotation };
  const message = `with ${list(needed(onApprove, isPossible))}, fewer than ${count} of ${group} may approve it`;
  return { message: `${message}: narrow that, or name another group`, annotation };
}

const sizeWords = (accounts: number, people: number): string =>
  accounts === people
    ? `which has ${people}`
    : `whose ${accounts} accounts are ${people} ${people === 1 ? 'person' : 'people'}`;

/** One that makes it impossible alone; or as few as do together, unless there are too many to try that with. */
function needed(forbids: readonly Rule[], isPossible: (forbids: readonly Rule[]) => boolean): readonly Rule[] {
  const alone = forbids.find((forbid) => !isPossible([forbid]));
  if (alone) return [alone];
  if (forbids.length > MOST_TRIED) return forbids;
  return forbids.reduce((kept, forbid) => {
    const others = kept.filter((other) => other !== forbid);
    return isPossible(others) ? kept : others;
  }, forbids);
}

function list(rules: readonly Rule[]): string {
  const places = rules.map(({ id, source }) => `${id} (${source.file}, line ${source.line})`);
  const others = places.length - MOST_NAMED;
  return others > 1 ? `${places.slice(0, MOST_NAMED).join(', ')} and ${others} more` : places.join(' and ');
}
