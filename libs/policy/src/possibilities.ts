import type { Mentions } from './expression';
import type { GroupsFile } from './groups';
import type { Rule } from './rule';
import type { SamePeople } from './same-people';
import { OTHER, personFrom, type Name, type Person, type Situation, type Thing } from './situation';

/** Settles one more thing about a situation, in every way that could matter. */
export type Choice = (situation: Situation) => readonly Situation[];

export interface Possibilities {
  /** Who asks for what, for how long: one of the situations they lead to stands for any that can come up. */
  readonly choices: readonly Choice[];
  /** With accounts that no file names, where {@link OTHER} stands for any number of them. */
  readonly people: readonly Person[];
  readonly signInAges: readonly (number | undefined)[];
}

/** A permit of `request`, and what it is looked at with. */
export interface Subject {
  readonly rule: Rule;
  readonly maxDurationSeconds: number;
  readonly groups: GroupsFile;
  readonly samePeople?: SamePeople | undefined;
}

/**
 * Everything that these rules tell apart: each name that they or their groups mention, and one more that nobody does;
 * each number that they mention, and its neighbours.
 */
export function possibilitiesOf(
  { rule, maxDurationSeconds, groups }: Subject,
  forbids: readonly Rule[],
  approvers?: string,
): Possibilities {
  const rules = [rule, ...forbids];
  const mentions = together(rules);
  const people = peopleOf(mentions, groups, approvers);
  const ids: Name[] = [...namesOf(mentions, 'Human'), OTHER];
  const [things, kinds] = [thingsOf(rules), namesTried(mentions, 'kind')];
  const durations = numbersTried(mentions, 'durationSeconds', [1, maxDurationSeconds]);
  const signInAges = numbersTried(mentions, 'signInAgeSeconds', [0, Number.MAX_SAFE_INTEGER]);
  const choices: Choice[] = [
    (s) => things.flatMap((thing) => kinds.map((kind) => ({ ...s, thing: { ...thing, kind } }))),
    (s) => people.map((person) => ({ ...s, person })),
    (s) => ids.map((id) => ({ ...s, person: { ...s.person, id } })),
    ...claimsOf(rule, groups),
    (s) => durations.map((durationSeconds) => ({ ...s, durationSeconds })),
    (s) => signInAges.map((signInAgeSeconds) => ({ ...s, signInAgeSeconds })),
  ];
  return { choices, people, signInAges };
}

/** Entitlements: those that these rules name, and others of the targets that they name, and of another. */
export function thingsOf(rules: readonly Rule[]): Thing[] {
  const mentions = together(rules);
  const named = namesOf(mentions, 'Entitlement').map((id) => {
    const slash = id.indexOf('/');
    return { target: id.slice(0, slash), name: id.slice(slash + 1) };
  });
  const targets = new Set<Name>([...namesOf(mentions, 'Target'), ...named.map(({ target }) => target), OTHER]);
  const names = namesTried(mentions, 'name');
  return [...named, ...[...targets].flatMap((target) => names.map((name): Thing => ({ target, name })))];
}

function peopleOf(mentions: Mentions, { groups }: GroupsFile, approvers?: string): Person[] {
  const named = new Set([...namesOf(mentions, 'Group'), approvers]);
  const relevant = [...groups].flatMap(([name, group]) => (named.has(name) ? [group] : []));
  const listed = relevant.flatMap((group) => (group.source === 'file' ? group.members.map(personFrom) : []));
  const ofClaims = relevant.flatMap((group) => (group.source === 'claim' ? [group.connection] : []));
  const connections = new Set<Name>([
    ...ofClaims,
    ...listed.map(({ connection }) => connection),
    ...namesTried(mentions, 'connection'),
  ]);
  const subjects = namesTried(mentions, 'subject');
  return [
    ...listed,
    ...[...connections].flatMap((connection) => subjects.map((subject): Person => ({ connection, subject }))),
  ];
}

/** In or not in each group that the rule names and no list fills. */
function claimsOf({ mentions }: Rule, { groups }: GroupsFile): Choice[] {
  const names = namesOf(mentions, 'Group').filter((name) => groups.get(name)?.source !== 'file');
  return names.map(
    (name) =>
      ({ person, ...rest }) =>
        [true, false].map((isIn) => ({
          ...rest,
          person: { ...person, claims: new Map([...(person.claims ?? []), [name, isIn]]) },
        })),
  );
}

function together(rules: readonly Rule[]): Mentions {
  const all = rules.map(({ mentions }) => mentions);
  const attributes = new Set(all.flatMap(({ literals }) => [...literals.keys()]));
  const literalsOf = (attribute: string) => all.flatMap(({ literals }) => literals.get(attribute) ?? []);
  return {
    entities: all.flatMap(({ entities }) => entities),
    literals: new Map([...attributes].map((attribute) => [attribute, literalsOf(attribute)])),
  };
}

function namesOf({ entities }: Mentions, type: string): string[] {
  return [...new Set(entities.filter((entity) => entity.type === type).map(({ id }) => id))];
}

function namesTried({ literals }: Mentions, attribute: string): Name[] {
  const strings = literals.get(attribute)?.filter((literal) => typeof literal === 'string');
  return [...new Set(strings), OTHER];
}

/** Nothing is tried of what is compared with nothing: it stays open. */
function numbersTried({ literals }: Mentions, attribute: string, [min, max]: [number, number]): (number | undefined)[] {
  const numbers = literals.get(attribute)?.filter((literal) => typeof literal === 'number');
  if (!numbers) return [undefined];
  const near = numbers.flatMap((number) => [number - 1, number, number + 1]);
  return [...new Set([min, ...near.filter((number) => number > min && number < max), max])];
}
