import { describe, expect, it } from 'vitest';
import { compilePolicies, parseGroups, PolicyInvalid, type PolicyProblem } from './index';

const GROUPS = `groups:
  engineers: [embedded/ada, embedded/dan]
  owners: [embedded/ben]
  pair: [embedded/ada, embedded/ben]
  three: [embedded/ada, embedded/ben, embedded/cleo]
  security: [corp/sue]
  auditors: [embedded/cleo]
  nobody: []
  on-call: { source: claim, connection: corp, value: On-call }
  guests: { source: claim, connection: partner, value: Guests }
`;
const groups = parseGroups({ file: 'groups.yaml', text: GROUPS });

function problemsOf(text: string): readonly PolicyProblem[] {
  try {
    compilePolicies([{ file: 'a.cedar', text }], groups);
    return [];
  } catch (error) {
    if (error instanceof PolicyInvalid) return error.problems;
    throw error;
  }
}

interface Permit {
  readonly approval?: string;
  readonly who?: string;
  readonly what?: string;
  readonly rest?: string;
  readonly annotations?: string;
}

const READ = 'resource == Entitlement::"orders-db/read"';
const ENGINEERS = 'principal in Group::"engineers"';
const OWNERS = '1 of Group::\\"owners\\"';
const PAIR = '1 of Group::\\"pair\\"';
const ON_CALL = '1 of Group::\\"on-call\\"';

const permit = ({
  approval = OWNERS,
  who = ENGINEERS,
  what = READ,
  rest = '',
  annotations = '@description("x")',
}: Permit = {}) =>
  `@id("p")\n@approval("${approval}")\n${annotations}\npermit (${who}, action == Action::"request", ${what}) ${rest};\n`;

let made = 0;
const forbid = (action: string, { who = 'principal', what = 'resource', rest = '' }: Permit = {}) => {
  made += 1;
  return `@id("f${made}")\nforbid (${who}, ${action}, ${what}) ${rest};\n`;
};
const APPROVE = 'action == Action::"approve"';
const REQUEST = 'action == Action::"request"';
const ON_CALL_ASKS = 'principal in Group::"on-call"';
const BEN = 'principal.connection == "embedded" && principal.subject == "ben"';
const U1 = 'Human::"00000000-0000-4000-8000-000000000001"';
const U2 = 'Human::"00000000-0000-4000-8000-000000000002"';

describe('refuses what nobody could satisfy', () => {
  it.each<[string, string, number, RegExp]>([
    // A forbid over more than the permit speaks of.
    [
      'a forbid on approving anything of its target',
      permit() + forbid(APPROVE, { what: 'resource in Target::"orders-db"' }),
      2,
      /f\d+ \(a\.cedar, line 5\)/,
    ],
    ['a forbid on approving that names it', permit() + forbid(APPROVE, { what: READ }), 2, /a\.cedar, line 5/],
    ['a forbid on approving anything', permit() + forbid(APPROVE), 2, /a\.cedar, line 5/],
    ['a forbid on every entitlement', permit() + forbid(APPROVE, { what: 'resource is Entitlement' }), 2, /line 5/],
    [
      'a forbid on every entitlement of its target',
      permit() + forbid(APPROVE, { what: 'resource is Entitlement in Target::"orders-db"' }),
      2,
      /line 5/,
    ],
    ['a forbid on every Human', permit() + forbid(APPROVE, { who: 'principal is Human' }), 2, /line 5/],
    [
      'a forbid on a list of actions',
      permit() + forbid('action in [Action::"approve", Action::"revoke"]'),
      2,
      /line 5/,
    ],
    [
      'a forbid on the target of a permit on the target',
      permit({ what: 'resource in Target::"orders-db"' }) +
        forbid(APPROVE, { what: 'resource in Target::"orders-db"' }),
      2,
      /line 5/,
    ],
    [
      'a forbid whose group has all approvers',
      permit() + forbid(APPROVE, { who: 'principal in Group::"three"', what: 'resource in Target::"orders-db"' }),
      2,
      /with f\d+ \(a\.cedar, line 5\), fewer than 1 of/,
    ],
    [
      'forbids that share the approvers between them',
      permit({ approval: '1 of Group::\\"three\\"', who: 'principal' }) +
        forbid(APPROVE, { who: 'principal in Group::"pair"' }) +
        forbid(APPROVE, { who: 'principal in Group::"auditors"' }),
      2,
      /f\d+ \(a\.cedar, line 5\) and f\d+ \(a\.cedar, line 7\), fewer/,
    ],
    [
      'a forbid for all but a group without approvers',
      permit() + forbid(APPROVE, { rest: 'unless { principal in Group::"security" }' }),
      2,
      /line 5/,
    ],
    [
      'forbids naming each approver by their account',
      permit({ approval: PAIR }) +
        forbid(APPROVE, { rest: `when { ${BEN} }` }) +
        forbid(APPROVE, { rest: 'when { ["ada"].contains(principal.subject) }' }),
      2,
      /line 5\) and f\d+ \(a\.cedar, line 7\), fewer/,
    ],
    [
      'a forbid on the group that a claim fills',
      permit({ approval: ON_CALL }) + forbid(APPROVE, { who: 'principal in Group::"on-call"' }),
      2,
      /Group::"on-call"/,
    ],
    [
      'a forbid on everybody of the connection whose claim fills the group',
      permit({ approval: ON_CALL }) + forbid(APPROVE, { rest: 'when { principal.connection == "corp" }' }),
      2,
      /Group::"on-call"/,
    ],
    [
      'two from a claim when a forbid leaves one',
      permit({ approval: '2 of Group::\\"on-call\\"' }) +
        forbid(APPROVE, { rest: 'unless { principal in Group::"security" }' }),
      2,
      /fewer than 2 of Group::"on-call"/,
    ],
    // The same in conditions, and conditions that are always true.
    [
      'forbids on any sign-in age of the one approver',
      permit() +
        forbid(APPROVE, { rest: `when { ${BEN} && context.signInAgeSeconds > 300 }` }) +
        forbid(APPROVE, { rest: `when { ${BEN} && context.signInAgeSeconds <= 300 }` }),
      2,
      /line 5\).* line 7\)/,
    ],
    ['when { true }', permit() + forbid(APPROVE, { rest: 'when { true }' }), 2, /line 5/],
    ['unless { false }', permit() + forbid(APPROVE, { rest: 'unless { false }' }), 2, /line 5/],
    [
      'what is true whatever the rest is',
      permit() + forbid(APPROVE, { rest: 'when { context.signInAgeSeconds > 5 || 1 < 2 } unless { !true || 1 == 2 }' }),
      2,
      /line 5/,
    ],
    [
      'a sign-in age that everybody has',
      permit() + forbid(APPROVE, { rest: 'when { context.signInAgeSeconds >= 0 }' }),
      2,
      /line 5/,
    ],
    [
      'forbids on any sign-in age between them',
      permit() +
        forbid(APPROVE, { rest: 'when { context.signInAgeSeconds > 300 }' }) +
        forbid(APPROVE, { rest: 'when { context.signInAgeSeconds <= 300 }' }),
      2,
      /line 5\).* line 7\)/,
    ],
    [
      'a target in a condition',
      permit() + forbid('action', { rest: 'when { action == Action::"approve" && resource in Target::"orders-db" }' }),
      2,
      /line 5/,
    ],
    [
      'an entitlement by its name',
      permit() + forbid(APPROVE, { rest: 'when { resource.name == "read" }' }),
      2,
      /line 5/,
    ],
    [
      'a choice that is always made',
      permit() + forbid(APPROVE, { rest: 'when { if principal is Human then true else false }' }),
      2,
      /line 5/,
    ],
    ...[
      'when { principal has subject && principal has connection }',
      'when { resource has name && resource has kind && resource has owner }',
      'when { context has durationSeconds && context has signInAgeSeconds }',
      'unless { principal has name }',
    ].map((rest): [string, string, number, RegExp] => [
      `what is always or never there: ${rest}`,
      permit() + forbid(APPROVE, { rest }),
      2,
      /line 5/,
    ]),
    ['when { false }', permit({ rest: 'when { false }' }), 1, /policy is impossible/],
    ['unless { true }', permit({ rest: 'unless { true }' }), 1, /policy is impossible/],
    ['a condition that is never true', permit({ rest: 'when { 2 < 1 }' }), 1, /scope and conditions never hold/],
    ['a sign-in age below zero', permit({ rest: 'when { context.signInAgeSeconds < 0 }' }), 1, /never hold together/],
    [
      'sign-in ages that exclude each other',
      permit({ rest: 'when { context.signInAgeSeconds > 900 && context.signInAgeSeconds < 300 }' }),
      1,
      /never hold together/,
    ],
    [
      'a condition for another action of the same permit',
      `@id("p") @approval("none")\npermit (principal, action in [Action::"request", Action::"revoke"], resource)\nwhen { action == Action::"revoke" };`,
      1,
      /never hold together/,
    ],
    [
      'an entitlement of another target',
      permit({ what: READ, rest: 'when { resource in Target::"other" }' }),
      1,
      /never hold together/,
    ],
    [
      'claims of two connections at once',
      permit({ who: 'principal in Group::"on-call"', rest: 'when { principal in Group::"guests" }' }),
      1,
      /never hold together/,
    ],
    // Durations.
    [
      'a duration above its maximum',
      permit({ annotations: '@maxDuration("1h")', rest: 'when { context.durationSeconds > 3600 }' }),
      3,
      /@maxDuration of 1h/,
    ],
    [
      'a duration above the maximum of an hour when none is written',
      permit({ rest: 'when { context.durationSeconds >= 7200 }' }),
      1,
      /@maxDuration of 1h/,
    ],
    [
      'a duration that a forbid on approving excludes',
      permit({ annotations: '@maxDuration("2h")', rest: 'when { context.durationSeconds > 3600 }' }) +
        forbid(APPROVE, { rest: 'when { context.durationSeconds > 1800 }' }),
      2,
      /line 5/,
    ],
    // Who asks and who decides.
    [
      'the one approver who may ask, by their account',
      permit({ who: 'principal', rest: `when { ${BEN} }` }),
      2,
      /which has 1, the requester among them/,
    ],
    [
      'the one approver who may ask, whatever their id',
      permit({ who: `principal == ${U1}`, rest: 'when { principal in Group::"owners" }' }),
      2,
      /the requester among them/,
    ],
    [
      'the one approver whom a forbid leaves, when only they may ask',
      permit({ approval: PAIR, who: 'principal in Group::"pair"', rest: `when { ${BEN} }` }) +
        forbid(APPROVE, { rest: 'when { principal.subject == "ada" }' }),
      2,
      /line 5\), fewer than 1 of/,
    ],
    [
      'three out of three of whom one asks',
      permit({ approval: '3 of Group::\\"three\\"', who: 'principal in Group::"pair"' }),
      2,
      /the requester among them/,
    ],
    [
      'four out of three',
      permit({ approval: '4 of Group::\\"three\\"' }),
      2,
      /takes 4 of Group::"three", which has 3: list more members in groups\.yaml, or ask for fewer/,
    ],
    [
      'one of an empty group',
      permit({ approval: '1 of Group::\\"nobody\\"' }),
      2,
      /takes 1 of Group::"nobody", which has 0/,
    ],
  ])('%s', (_what, text, line, message) => {
    expect(problemsOf(text)).toEqual([{ file: 'a.cedar', line, message: expect.stringMatching(message) }]);
  });

  it('names one forbid that is enough, or those that it takes', () => {
    const [irrelevant, fresh, ada, ben, all] = [
      forbid(APPROVE, { who: 'principal in Group::"auditors"' }),
      forbid(APPROVE, { rest: 'when { context.signInAgeSeconds > 300 }' }),
      forbid(APPROVE, { who: 'principal in Group::"engineers"' }),
      forbid(APPROVE, { who: 'principal in Group::"owners"' }),
      forbid(APPROVE, { who: 'principal in Group::"three"' }),
    ];
    const blamed = (...forbids: string[]) => {
      const [problem] = problemsOf(permit({ approval: PAIR, who: 'principal' }) + forbids.join(''));
      return problem?.message.match(/line \d+|\d+ more/g);
    };
    expect(blamed(irrelevant, ada, fresh, ben)).toEqual(['line 7', 'line 11']);
    expect(blamed(ada, fresh, all, ben)).toEqual(['line 9']);
    const many = Array.from({ length: 60 }, () => forbid(APPROVE, { who: 'principal in Group::"auditors"' }));
    expect(blamed(...many, all)).toEqual(['line 125']);
    expect(blamed(...many, ada, ben)).toEqual([5, 7, 9, 11, 13].map((line) => `line ${line}`).concat('57 more'));
  });
});

describe('never refuses what takes access away', () => {
  it.each<[string, string]>([
    ['a forbid on asking', permit() + forbid(REQUEST, { what: 'resource in Target::"orders-db"' })],
    ['a forbid on asking where nobody decides', permit({ approval: 'none', who: 'principal' }) + forbid(REQUEST)],
    ['a forbid on everything', permit() + forbid('action')],
    ['a forbid on all who may ask', permit() + forbid('action', { who: ENGINEERS })],
    ['a forbid on a claim', permit({ who: ON_CALL_ASKS, approval: ON_CALL }) + forbid('action', { who: ON_CALL_ASKS })],
    [
      'a forbid that leaves the one approver to ask',
      permit({ who: 'principal in Group::"pair"' }) + forbid(REQUEST, { rest: 'when { principal.subject == "ada" }' }),
    ],
    [
      'a forbid on the one human who may ask',
      permit({ who: `principal == ${U1}` }) + forbid(REQUEST, { who: `principal == ${U1}` }),
    ],
    ['a list that has lost its last member', permit({ who: 'principal in Group::"nobody"' })],
    ['lists that have lost their last common member', permit({ rest: 'when { principal in Group::"auditors" }' })],
    [
      'a list of which all are excepted',
      permit({ rest: 'unless { principal in Group::"three" || principal.subject == "dan" }' }),
    ],
  ])('%s', (_what, text) => {
    expect(problemsOf(text)).toEqual([]);
  });

  it('but says what nobody could decide whoever asked', () => {
    const closed =
      permit({ approval: '2 of Group::\\"owners\\"', who: 'principal in Group::"nobody"' }) + forbid(REQUEST);
    expect(problemsOf(closed)).toEqual([
      { file: 'a.cedar', line: 2, message: expect.stringMatching(/takes 2 of Group::"owners", which has 1:/) },
    ]);
  });
});

describe('accepts what somebody could satisfy, or might', () => {
  it.each<[string, string]>([
    ['the plain rule', permit()],
    ['a forbid on another target', permit() + forbid(APPROVE, { what: 'resource in Target::"other"' })],
    [
      'a forbid on another entitlement',
      permit() + forbid(APPROVE, { what: 'resource == Entitlement::"orders-db/write"' }),
    ],
    [
      'a forbid on one entitlement of the target that is permitted',
      permit({ what: 'resource in Target::"orders-db"' }) + forbid(APPROVE, { what: READ }),
    ],
    [
      'a forbid on one target when all are permitted',
      permit({ what: 'resource' }) + forbid(APPROVE, { what: 'resource in Target::"orders-db"' }),
    ],
    ['a forbid on somebody else', permit() + forbid(APPROVE, { who: ENGINEERS })],
    [
      'a forbid on some of the approvers',
      permit({ approval: '1 of Group::\\"three\\"' }) + forbid(APPROVE, { who: 'principal in Group::"pair"' }),
    ],
    ['a forbid on an empty group', permit() + forbid(APPROVE, { who: 'principal in Group::"nobody"' })],
    ['a forbid on a stale sign-in', permit() + forbid(APPROVE, { rest: 'when { context.signInAgeSeconds > 300 }' })],
    [
      'a forbid outside the network',
      permit() +
        forbid('action', {
          rest: 'unless { context has clientAddress && context.clientAddress.isInRange(ip("10.0.0.0/8")) }',
        }),
    ],
    ['a forbid on long access', permit() + forbid(APPROVE, { rest: 'when { context.durationSeconds > 1800 }' })],
    ...['when { context has clientAddress }', 'unless { context has clientAddress }'].map((rest): [string, string] => [
      `a forbid on an address that may be known: ${rest}`,
      permit() + forbid(APPROVE, { rest }),
    ]),
    ['a forbid on a kind', permit() + forbid(APPROVE, { rest: 'when { resource.kind == "aws" }' })],
    [
      'a forbid for those who do not own it',
      permit() + forbid(APPROVE, { rest: 'unless { principal in resource.owner }' }),
    ],
    [
      'a forbid on humans by their id',
      permit() + forbid(APPROVE, { who: `principal == ${U1}` }) + forbid(APPROVE, { who: `principal == ${U2}` }),
    ],
    ['a forbid for all but one human', permit() + forbid(APPROVE, { rest: `unless { principal == ${U1} }` })],
    [
      'a forbid on names that only look alike',
      permit() + forbid(APPROVE, { rest: 'when { principal.subject like "b*" }' }),
    ],
    ['a forbid on other actions', permit() + forbid('action in [Action::"revoke", Action::"audit"]')],
    ['a forbid on approving, where nobody needs to', permit({ approval: 'none' }) + forbid(APPROVE)],
    ['a forbid on asking for others', permit() + forbid(REQUEST, { who: 'principal in Group::"owners"' })],
    ['a claim that approves', permit({ approval: '9 of Group::\\"on-call\\"' })],
    ['a claim that asks and approves', permit({ approval: ON_CALL, who: 'principal in Group::"on-call"' })],
    [
      'a claim in a forbid',
      permit() +
        forbid(APPROVE, { who: 'principal in Group::"on-call"' }) +
        forbid(REQUEST, { who: 'principal in Group::"guests"' }),
    ],
    [
      'a claim of which a forbid leaves one',
      permit({ approval: ON_CALL }) + forbid(APPROVE, { rest: 'unless { principal in Group::"security" }' }),
    ],
    [
      'a claim and a list that somebody may be in at once',
      permit({ who: 'principal in Group::"on-call"', rest: 'when { principal in Group::"security" }' }),
    ],
    ['somebody whom no file names', permit({ who: 'principal', rest: 'when { principal.subject == "eve" }' })],
    ['one human, who need not be the approver', permit({ who: `principal == ${U1}` })],
    ['two who decide for each other', permit({ approval: PAIR, who: 'principal in Group::"pair"' })],
    [
      'the first of those who decide',
      permit({ approval: PAIR, who: 'principal in Group::"pair"', rest: 'when { principal.subject == "ada" }' }),
    ],
    ['everybody, of whom one decides', permit({ who: 'principal' })],
    [
      'durations up to the maximum',
      permit({ annotations: '@maxDuration("1h")', rest: 'when { context.durationSeconds >= 3600 }' }),
    ],
    ['an arithmetic that nobody can follow', permit({ rest: 'when { context.durationSeconds * 2 > 7201 }' })],
    [
      'numbers that are the same only when rounded',
      permit() + forbid(APPROVE, { rest: 'when { 9007199254740993 <= 9007199254740992 }' }),
    ],
    [
      'a comparison of two facts',
      permit({
        rest: 'when { context.durationSeconds < context.signInAgeSeconds && context.signInAgeSeconds <= 900 }',
      }),
    ],
    [
      'facts that are only equal between those that are named',
      permit({
        rest: `when { context.durationSeconds <= context.signInAgeSeconds
          && context.durationSeconds >= context.signInAgeSeconds && context.signInAgeSeconds == 101 }`,
      }),
    ],
    [
      'a number between two others',
      permit({ rest: 'when { context.signInAgeSeconds > 7 && context.signInAgeSeconds < 9 }' }),
    ],
    [
      'a name like an account',
      permit({ what: 'resource in Target::"orders-db"', rest: 'when { resource.name == principal.subject }' }),
    ],
  ])('%s', (_what, text) => {
    expect(problemsOf(text)).toEqual([]);
  });
});
