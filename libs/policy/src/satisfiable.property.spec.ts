import fc from 'fast-check';
import { expect, it } from 'vitest';
import { splitPolicies } from './cedar-text';
import { toCedarRequest } from './entities';
import { parseGroups, type EntitlementFacts, type PrincipalFacts, type RequestFacts } from './index';
import { PolicySet } from './policy-set';
import { readRule, type Committee } from './rule';
import { checkSatisfiable } from './rule-checks';

// Everybody and everything that the rules below tell apart, and more than they ask for of those whom no file names.
const GROUPS = `groups:
  engineers: [embedded/ada, embedded/dan]
  owners: [embedded/ben]
  pair: [embedded/ada, embedded/ben]
  on-call: { source: claim, connection: corp, value: On-call }
`;
const groups = parseGroups({ file: 'groups.yaml', text: GROUPS });
const ALL_GROUPS = ['engineers', 'owners', 'pair', 'on-call'];
const [U1, U2, U3] = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string, string];
const person = (connection: string, subject: string, names = ALL_GROUPS): Omit<PrincipalFacts, 'id'> => {
  return { kind: 'human', connection, subject, groups: names };
};
const PEOPLE = [
  ...['ada', 'ben', 'dan', 'eve'].map((subject) => person('embedded', subject)),
  ...['ada', 'x', 'y', 'z'].map((subject) => person('corp', subject)),
  ...['ada', 'x'].map((subject) => person('corp', subject, [])),
  ...['ada', 'x'].map((subject) => person('partner', subject)),
];
const THINGS = ['orders/read', 'orders/write', 'other/read', 'other/write'].map((name): EntitlementFacts => {
  const [target = '', entitlement = ''] = name.split('/');
  return { type: 'entitlement', target, entitlement, kind: 'postgres', owner: 'owners' };
});
const rulesOf = (text: string) =>
  splitPolicies({ file: 'a.cedar', text }).flatMap((policy) => readRule(policy, () => undefined) ?? []);

/** What somebody could ask for, and get, found by asking Cedar about all there is. */
class Trial {
  readonly #ids: readonly string[];
  readonly #durations: readonly number[];
  readonly #ages: readonly number[];

  constructor(text: string) {
    this.#ids = text.includes(U1) ? [U1, U2] : [U2];
    this.#durations = text.includes('durationSeconds') ? [1, 60, 61, 120] : [1];
    this.#ages = text.includes('signInAgeSeconds') ? [0, 300, 301] : [0];
  }

  isAsked(set: PolicySet, isDecided = (_facts: RequestFacts) => true): boolean {
    const requesters = PEOPLE.flatMap((one) => this.#ids.map((id) => ({ ...one, id })));
    return THINGS.some((resource) =>
      this.#contexts().some((context) =>
        requesters.some((principal) => {
          const facts = { principal, resource, context };
          return set.judge(toCedarRequest('request', facts, set.groups)).decision === 'allow' && isDecided(facts);
        }),
      ),
    );
  }

  /** For asking by the one set and approving by the other. */
  isDecided(asking: PolicySet, approving: PolicySet, approval: Committee): boolean {
    return this.isAsked(asking, ({ principal: requester, resource, context }) => {
      const facts = { resource, approval, requesterIdentityIds: [requester.id] };
      const approvers = PEOPLE.filter(
        (one) =>
          (one.connection !== requester.connection || one.subject !== requester.subject) &&
          this.#contexts(context.durationSeconds).some((own) => {
            return approving.mayApprove({ ...facts, principal: { ...one, id: U3 }, context: own }).allowed;
          }),
      );
      return approvers.length >= approval.count;
    });
  }

  #contexts(only?: number) {
    const durations = only === undefined ? this.#durations : [only];
    return durations.flatMap((durationSeconds) =>
      this.#ages.map((signInAgeSeconds) => ({ durationSeconds, signInAgeSeconds })),
    );
  }
}

/** Each list with everybody on it or nobody. */
const ANY_LISTS = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => {
  const members = PEOPLE.map(({ connection, subject }) => `${connection}/${subject}`);
  const lists = ['engineers', 'owners', 'pair'].map((name, i) => {
    return [name, { source: 'file', members: bits & (1 << i) ? members : [] }] as const;
  });
  return { ...groups, groups: new Map([...groups.groups, ...lists]) };
});

function isToBeRefused(permit: string, forbids: string, approval: Committee | undefined): boolean {
  const trial = new Trial(permit + forbids);
  const setOf = (text: string, lists = groups) => new PolicySet('x', lists, rulesOf(text));
  const saysNothing = !ANY_LISTS.some((lists) => trial.isAsked(setOf(permit, lists)));
  if (saysNothing || !approval) return saysNothing;
  const group = groups.groups.get(approval.group);
  if (group?.source === 'file' && group.members.length < approval.count) return true;
  const all = setOf(permit + forbids);
  return !trial.isDecided(setOf(permit), all, approval) && trial.isAsked(all);
}

const who = fc.constantFrom(
  'principal',
  'principal is Human',
  'principal in Group::"engineers"',
  'principal in Group::"owners"',
  'principal is Human in Group::"pair"',
  'principal in Group::"on-call"',
);
const one = fc.constant(`principal == Human::"${U1}"`);
const what = fc.constantFrom(
  'resource',
  'resource is Entitlement',
  'resource in Target::"orders"',
  'resource == Entitlement::"orders/read"',
);
const clause = fc.constantFrom(
  '',
  '',
  'when { true }',
  'when { principal has subject }',
  'unless { context has signInAgeSeconds }',
  'unless { resource has nonsense }',
  'when { principal.subject == "ada" }',
  'unless { principal in Group::"pair" }',
  'when { principal.connection == "corp" || principal in Group::"owners" }',
  'when { context.durationSeconds > 60 }',
  'when { context.signInAgeSeconds <= 300 }',
  'unless { context.signInAgeSeconds <= 300 }',
  'when { resource.name == "read" }',
  'unless { resource in Target::"orders" }',
);
const approvals = fc.constantFrom(
  undefined,
  ...['owners', 'pair', 'on-call'].flatMap((group) => [1, 1, 2].map((count) => ({ count, group }))),
);
const permit = fc.tuple(fc.oneof({ weight: 5, arbitrary: who }, one), what, clause, clause);
const forbid = fc.oneof(
  fc.tuple(fc.constantFrom('== Action::"approve"', ''), who, what, clause),
  fc.tuple(fc.constant('== Action::"request"'), fc.oneof(who, one), what, clause),
);

it('refuses a rule exactly when trying everything finds nobody for it', () => {
  const refused = { true: 0, false: 0 };
  const forbids = fc.array(forbid, { maxLength: 4, size: 'max' });
  fc.assert(
    fc.property(permit, approvals, forbids, ([p, r, ...clauses], approval, others) => {
      const says = approval ? `${approval.count} of Group::\\"${approval.group}\\"` : 'none';
      const action = 'action == Action::"request"';
      const permitted = `@id("p") @approval("${says}") @maxDuration("2m")
        permit (${p}, ${action}, ${r}) ${clauses.join(' ')};`;
      const forbidden = others
        .map(([on, w, t, c], i) => `\n@id("f${i}") forbid (${w}, action ${on}, ${t}) ${c};`)
        .join('');
      const problems: string[] = [];
      const rules = rulesOf(permitted + forbidden);
      for (const rule of rules) checkSatisfiable(rule, { rules, groups }, ({ message }) => problems.push(message));
      const isRefused = problems.length > 0;
      refused[`${isRefused}`] += 1;
      const text = permitted + forbidden;
      expect([isRefused, text]).toEqual([isToBeRefused(permitted, forbidden, approval), text]);
    }),
    { numRuns: 40 },
  );
  expect(Math.min(...Object.values(refused))).toBeGreaterThan(0);
}, 120_000);
