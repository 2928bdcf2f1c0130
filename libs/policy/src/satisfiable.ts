import { forbidsToApprove, membersOf, mightApprove, personIn } from './approvers';
import type { GroupsFile } from './groups';
import { possibilitiesOf, thingsOf, type Choice, type Possibilities, type Subject } from './possibilities';
import type { Committee, Rule } from './rule';
import { whose, type SamePeople } from './same-people';
import { accountOf, OTHER, type Person, type Situation, type Thing } from './situation';
import { matches } from './truth';

/**
 * Whether somebody may ask for something by this rule. Each requester, entitlement, duration and sign-in age is tried that
 * the rules tell apart; what only the moment shows (an address, an owner, who is in a group that a claim fills) may be as
 * it needs to be.
 */
export function canBeAsked(subject: Subject, forbids: readonly Rule[]): boolean {
  const { choices } = possibilitiesOf(subject, forbids);
  const isForbidden = (situation: Situation) => forbids.some((forbid) => matches(forbid, situation) === true);
  return leadsOn(nothingKnown(subject.groups), choices, (situation) => {
    return matches(subject.rule, situation) === false || isForbidden(situation);
  });
}

/** Whether somebody else could then agree; whether they are forbidden to ask is not looked at. */
export function canBeDecided(subject: Subject, approval: Committee, forbids: readonly Rule[]): boolean {
  const possibilities = possibilitiesOf(subject, forbids, approval.group);
  const isDecidable = committee({ ...subject, ...approval, forbids }, possibilities);
  return leadsOn(nothingKnown(subject.groups), possibilities.choices, (situation) => {
    return matches(subject.rule, situation) === false || !isDecidable(situation);
  });
}

/** Those of the `forbid`s on an action that are about what the rule is about. */
export function forbidsOn(
  action: 'request' | 'approve',
  rule: Rule,
  rules: readonly Rule[],
  groups: GroupsFile,
): Rule[] {
  const open = nothingKnown(groups);
  return rules.filter(
    (forbid) =>
      forbid.effect === 'forbid' &&
      forbid.actions.has(action) &&
      thingsOf([rule, forbid]).some(
        (thing) => matches(rule, { ...open, thing }) !== false && matches(forbid, { ...open, action, thing }) !== false,
      ),
  );
}

function nothingKnown(groups: GroupsFile): Situation {
  return { action: 'request', groups, person: {}, thing: {} };
}

/** A situation that is refuted while much of it is open is refuted however that turns out. */
function leadsOn(
  situation: Situation,
  [next, ...others]: readonly Choice[],
  isRefuted: (situation: Situation) => boolean,
): boolean {
  if (isRefuted(situation)) return false;
  return !next || next(situation).some((settled) => leadsOn(settled, others, isRefuted));
}

interface Panel extends Committee {
  readonly groups: GroupsFile;
  readonly forbids: readonly Rule[];
  readonly samePeople?: SamePeople | undefined;
}

/** Whether enough people could agree, besides the requester in any account. */
function committee({ group, count, groups, forbids, samePeople }: Panel, { people, signInAges }: Possibilities) {
  const members = candidates(group, groups, people);
  const holder = whose(samePeople);
  const personOf = (person: Person) => {
    const account = accountOf(person);
    return account === undefined ? person : holder(account);
  };
  const approvers = memoized((thing: Thing) =>
    memoized((durationSeconds: number | undefined) => {
      const situation = { ...nothingKnown(groups), thing, durationSeconds };
      const against = forbidsToApprove(forbids, situation);
      const mayApprove = (person: Person, signInAgeSeconds?: number) =>
        mightApprove(against, { ...situation, signInAgeSeconds }, person);
      const ages = signInAges.filter((age) => mayApprove({}, age));
      // One more than it takes: one of them may be the requester.
      const isApprover = (person: Person) => mayApprove(person) && ages.some((age) => mayApprove(person, age));
      return first(count + 1, members, isApprover, personOf);
    }),
  );
  return ({ person, thing, durationSeconds }: Situation) => {
    const others = approvers(thing)(durationSeconds).filter((approver) => personOf(approver) !== personOf(person));
    return others.length >= count || others.some(({ subject }) => subject === OTHER);
  };
}

/** As many as this of them, with different keys. */
function first<T>(count: number, all: readonly T[], test: (one: T) => boolean, keyOf: (one: T) => unknown): T[] {
  const found = new Map<unknown, T>();
  for (const one of all) {
    if (test(one)) found.set(keyOf(one), one);
    if (found.size === count) break;
  }
  return [...found.values()];
}

function memoized<K, V extends object>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
}

/** Those on the list; or of a claim, whoever signs in through its connection. */
function candidates(group: string, groups: GroupsFile, people: readonly Person[]): readonly Person[] {
  const members = membersOf(groups, group);
  if (members) return members.map((member) => personIn(groups, group, member));
  const anybody = personIn(groups, group);
  return people.filter(({ connection }) => connection === anybody.connection).map((one) => ({ ...anybody, ...one }));
}
