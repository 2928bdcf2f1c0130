import fc from 'fast-check';
import { expect, it } from 'vitest';
import { judgeOnce } from './cedar';
import { splitPolicies } from './cedar-text';
import { effectiveGroups, toCedarRequest } from './entities';
import { parseGroups, type RequestFacts } from './index';
import { readRule, type Rule } from './rule';
import { OTHER, type Name, type Situation } from './situation';
import { matches } from './truth';

const groups = parseGroups({
  file: 'groups.yaml',
  text: 'groups:\n  pair: [embedded/ada, corp/ben]\n  owners: [corp/ben]\n  nobody: []\n  on-call: { source: claim, connection: corp, value: x }\n',
});
const U1 = '00000000-0000-4000-8000-000000000001';
const U2 = '00000000-0000-4000-8000-000000000002';

function ruleOf(conditions: string): Rule {
  const text = `@id("p") @approval("none") permit (principal, action == Action::"request", resource) ${conditions};`;
  const [rule] = splitPolicies({ file: 'a.cedar', text }).map((policy) => readRule(policy, () => undefined));
  if (!rule) throw new Error(`this does not parse: ${text}`);
  return rule;
}

const atom = fc.constantFrom(
  'true',
  'false',
  '1 < 2',
  '3 == 4',
  `principal == Human::"${U1}"`,
  `principal in [Human::"${U1}"]`,
  'principal is Human',
  'principal is Human in Group::"pair"',
  'resource is Entitlement in Target::"orders"',
  'principal in Group::"pair"',
  'principal in Group::"nobody"',
  'principal in Group::"on-call"',
  'principal in [Group::"nobody", Group::"owners"]',
  'principal in resource.owner',
  'principal.connection == "corp"',
  '"ada" != principal.subject',
  '["ben", "ada"].contains(principal.subject)',
  'principal.subject == resource.name',
  'principal.subject like "a*"',
  'action == Action::"request"',
  'resource in Target::"orders"',
  'resource == Entitlement::"orders/read"',
  'resource.name == "read"',
  'resource.kind == "postgres"',
  'resource.owner == Group::"pair"',
  'context has clientAddress',
  'context has signInAgeSeconds',
  'context has durationSeconds',
  'principal has subject',
  'principal has connection',
  'principal has durationSeconds',
  'resource has name',
  'resource has kind',
  'resource has owner',
  'resource has nonsense',
  'resource.owner has name',
  'context.durationSeconds > 60',
  '60 >= context.durationSeconds',
  'context.signInAgeSeconds != 9',
  'context.durationSeconds < context.signInAgeSeconds',
  'context.durationSeconds + 1 <= 61',
);
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    tie('expression').map((a) => `!(${a})`),
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a} || ${b})`),
    fc
      .tuple(tie('expression'), tie('expression'), tie('expression'))
      .map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
  ),
}));
const clauses = fc.array(fc.tuple(fc.constantFrom('when', 'unless'), expression), { minLength: 1, maxLength: 2 });

const facts: fc.Arbitrary<RequestFacts> = fc.record({
  principal: fc.record({
    kind: fc.constant('human' as const),
    id: fc.constantFrom(U1, U2),
    connection: fc.constantFrom('embedded', 'corp', 'partner'),
    subject: fc.constantFrom('ada', 'ben', 'eve'),
    // Whoever stands on a list is in the group; of these, only the claim is a fact of its own.
    groups: fc.constantFrom(['pair', 'owners'], ['pair', 'owners', 'on-call']),
  }),
  resource: fc.record({
    type: fc.constant('entitlement' as const),
    target: fc.constantFrom('orders', 'other'),
    entitlement: fc.constantFrom('read', 'write', 'ada'),
    kind: fc.constantFrom('postgres', 'aws'),
    owner: fc.constantFrom('pair', 'owners', 'on-call'),
  }),
  context: fc.record({ durationSeconds: fc.constantFrom(1, 60, 61), signInAgeSeconds: fc.constantFrom(0, 9, 100) }),
});

/** These facts as a situation, some of them left open; and names that no policy here speaks of as just that. */
function partOf({ principal, resource, context }: RequestFacts, known: ReadonlySet<string>): Situation {
  const named = ['ada', 'ben', 'embedded', 'corp', 'orders', 'read', U1, 'postgres', 'pair', 'owners', 'on-call'];
  const name = (key: string, value: string): Name => {
    if (!known.has(key)) return undefined;
    return named.includes(value) ? value : OTHER;
  };
  return {
    action: 'request',
    groups,
    person: {
      id: name('id', principal.id),
      connection: name('connection', principal.connection),
      subject: name('subject', principal.subject),
      ...(known.has('claims') && {
        claims: new Map([['on-call', effectiveGroups(principal, groups).includes('on-call')]]),
      }),
    },
    thing: {
      target: name('target', resource.target),
      name: name('name', resource.entitlement),
      kind: name('kind', resource.kind),
      owner: name('owner', resource.owner),
    },
    durationSeconds: known.has('duration') ? context.durationSeconds : undefined,
    signInAgeSeconds: known.has('age') ? context.signInAgeSeconds : undefined,
  };
}
const ALL = ['id', 'connection', 'subject', 'claims', 'target', 'name', 'kind', 'owner', 'duration', 'age'];

it('says of a situation that is known in part what Cedar says of each that it may turn out to be', () => {
  const settled = { true: 0, false: 0, undefined: 0 };
  fc.assert(
    fc.property(clauses, facts, fc.subarray(ALL), (all, asked, known) => {
      const text = all.map(([kind, body]) => `${kind} { ${body} }`).join(' ');
      const rule = ruleOf(text);
      const truth = matches(rule, partOf(asked, new Set(known)));
      settled[`${truth}`] += 1;
      const request = toCedarRequest('request', asked, groups);
      const cedar = judgeOnce(request, new Map([['p', rule.source.text]]));
      expect(cedar.errors).toEqual(new Map());
      expect([undefined, cedar.decision === 'allow']).toContain(truth);
    }),
    { numRuns: 500 },
  );
  expect(Math.min(...Object.values(settled))).toBeGreaterThan(20);
});
