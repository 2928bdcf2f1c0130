import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { compilePolicies, compilePolicyFiles, parseGroups, PolicyInvalid, type PolicyProblem } from './index';

const GROUPS = `groups:
  engineers: [embedded/ada]
  owners: [embedded/ben]
  pair: [embedded/ada, embedded/ben]
  nobody: []
  on-call: { source: claim, connection: corp, value: On-call }
`;
const groups = parseGroups({ file: 'groups.yaml', text: GROUPS });

const compile = (text: string, file = 'a.cedar') => compilePolicies([{ file, text }], groups);

function problemsOf(make: () => unknown): readonly PolicyProblem[] {
  try {
    make();
  } catch (error) {
    if (error instanceof PolicyInvalid) {
      return error.details['problems'] as PolicyProblem[];
    }
    throw error;
  }
  throw new Error('it was accepted');
}

const ok = (id: string, rest = '') =>
  `@id("${id}") @approval("none") ${rest} permit (principal, action == Action::"request", resource);`;
const asks = (approval: string, principal = 'principal') =>
  `@id("a")\n@approval("${approval}")\npermit (${principal}, action == Action::"request", resource);`;

describe('compilePolicies', () => {
  it.each<[string, string, number, RegExp]>([
    ['a syntax error', `// é é é\n${ok('x')}\n@id("a")\npermit (principal,\n  actio, resource);`, 5, /./],
    [
      'a syntax error behind what takes several bytes',
      '@id("é")\n@description("日本語🙂")\nforbid (principal, action, resource)\nwhen { 1 + }\n\n\n\n;',
      4,
      /unexpected token `}`/,
    ],
    ['a missing semicolon', '@id("a") forbid (principal, action, resource)', 1, /unexpected end of input/],
    ['a stray semicolon', `${ok('a')}\n;`, 2, /unexpected token `;`/],
    ['an unterminated string', `${ok('a')}\n@id("b) forbid (principal, action, resource);`, 2, /invalid token/],
    ['text that is no policy', `${ok('a')}\n\nhello`, 3, /./],
    ['a template', '@id("a")\nforbid (principal == ?principal, action, resource);', 2, /template/],
    [
      'an annotation given twice',
      '@id("a")\n@id("b")\nforbid (principal, action, resource);',
      2,
      /duplicate annotation/,
    ],
    [
      'an unknown entity type',
      '@id("a")\nforbid (principal in Grup::"engineers",\n action, resource);',
      2,
      /did you mean `Group`/,
    ],
    [
      'an unknown action',
      '@id("a") @approval("none")\npermit (principal,\n action in [Action::"request", Action::"reqest"], resource);',
      3,
      /did you mean `Action::"request"`/,
    ],
    [
      'an unknown attribute',
      '@id("a")\nforbid (principal, action, resource)\nwhen { context.signInAge > 3 };',
      3,
      /signInAge.* not found/,
    ],
    [
      'an optional attribute that is not tested for',
      '@id("a")\nforbid (principal, action, resource)\nwhen {\n context.clientAddress.isLoopback() };',
      4,
      /context has clientAddress/,
    ],
    [
      'a rule that can never apply',
      '@id("a")\nforbid (principal, action == Action::"request", resource is Target);',
      1,
      /unable to find an applicable action/,
    ],
    [
      'another installation',
      '@id("a")\nforbid (principal, action,\n resource == Installation::"other");',
      3,
      /not declared as a valid eid/,
    ],
    [
      'an unknown annotation',
      '@id("a")\n@maxduration("1h")\n@approval("none")\npermit (principal, action == Action::"request", resource);',
      2,
      /unknown annotation @maxduration/,
    ],
    [
      'an annotation named like a property',
      '@id("a")\n@__proto__("1h")\nforbid (principal, action, resource);',
      2,
      /unknown annotation @__proto__/,
    ],
    [
      'an approval on a forbid',
      '@id("a")\n\n@approval("none")\nforbid (principal, action == Action::"request", resource);',
      3,
      /@approval belongs on a permit/,
    ],
    [
      'a maximum on a permit of another action',
      '@id("a")\n@maxDuration("1h")\npermit (principal, action == Action::"revoke", resource);',
      2,
      /@maxDuration belongs on a permit/,
    ],
    [
      'a waiting time on a permit of other actions',
      '@id("a")\n@pendingFor("1h")\npermit (principal, action in [Action::"revoke", Action::"audit"], resource);',
      2,
      /@pendingFor belongs/,
    ],
    [
      'a permit on request without an approval',
      '@id("a")\npermit (principal, action == Action::"request", resource);',
      1,
      /says who approves/,
    ],
    [
      'request among other actions without an approval',
      '@id("a")\npermit (principal, action in [Action::"revoke", Action::"request"], resource);',
      1,
      /says who approves/,
    ],
    ['no id', `${ok('x')}\n\n@description("y")\nforbid (principal, action, resource);`, 3, /every policy has an @id/],
    ['an id without a value', '@description("x")\n@id\nforbid (principal, action, resource);', 2, /an @id is made of/],
    ['an id of other characters', '\n@id("@approval")\nforbid (principal, action, resource);', 2, /an @id is made of/],
    [
      'an id used twice',
      `${ok('a')}\n${ok('b')}\n@description("c")\n@id("a") forbid (principal, action, resource);`,
      4,
      /already the id of the policy in a\.cedar, line 1/,
    ],
    ['an endless maximum', ok('a', '\n@maxDuration("forever")\n'), 2, /@maxDuration is a duration/],
    ['a maximum without a value', ok('a', '\n@maxDuration\n'), 2, /@maxDuration is a duration/],
    ['a negative waiting time', ok('a', '\n@pendingFor("-1h")\n'), 2, /@pendingFor is a duration/],
    ['a waiting time of weeks', ok('a', '\n@pendingFor("8d")\n'), 2, /@pendingFor is at most 7d/],
    ['an approval by none', asks('0 of Group::\\"owners\\"'), 2, /@approval is "none" or/],
    ['an approval by too many', asks('11 of Group::\\"owners\\"'), 2, /@approval is "none" or/],
    ['an approval in other words', asks('anybody'), 2, /@approval is "none" or/],
    [
      'an approval without a value',
      '@id("a")\n@approval\npermit (principal, action == Action::"request", resource);',
      2,
      /@approval is "none" or/,
    ],
    [
      'an approval by an undeclared group',
      asks('1 of Group::\\"Owners\\"'),
      2,
      /nobody declared Group::"Owners" in groups\.yaml/,
    ],
    [
      'an undeclared group in a scope',
      '@id("a")\nforbid (\n principal in Group::"engineer", action, resource);',
      3,
      /nobody declared Group::"engineer"/,
    ],
    [
      'an undeclared group in a condition',
      '@id("a")\nforbid (principal, action, resource)\nwhen {\n principal in [Group::"engineers", Group::"x"] };',
      4,
      /nobody declared Group::"x"/,
    ],
    [
      'a human by their name',
      '@id("a")\nforbid (principal ==\n Human::"ada", action, resource);',
      3,
      /a Human is named by its id/,
    ],
    [
      'an entitlement without its target',
      '@id("a")\nforbid (principal, action == Action::"request",\n resource == Entitlement::"read");',
      3,
      /"<target>\/<entitlement>"/,
    ],
    [
      'a target with a slash',
      '@id("a")\nforbid (principal, action == Action::"request",\n resource in Target::"a/b");',
      3,
      /no "\/" in its name/,
    ],
    [
      'more approvers than the group has',
      asks('2 of Group::\\"owners\\"'),
      2,
      /takes 2 of Group::"owners", which has 1/,
    ],
    ['an approval by an empty group', asks('1 of Group::\\"nobody\\"'), 2, /which has 0/],
    [
      'a rule whose only approver is who may ask',
      asks('1 of Group::\\"engineers\\"', 'principal in Group::"engineers"'),
      2,
      /the requester among them/,
    ],
    [
      'a rule of two for two',
      asks('2 of Group::\\"pair\\"', 'principal is Human in Group::"pair"'),
      2,
      /the requester among them/,
    ],
    [
      'a rule whose approvers a forbid keeps away',
      `${asks('1 of Group::\\"owners\\"')}\n@id("f") forbid (principal in Group::"owners", action == Action::"approve", resource);`,
      2,
      /with f \(a\.cedar, line 4\), fewer than 1 of/,
    ],
    [
      'a rule where a forbid keeps everybody away',
      `${asks('1 of Group::\\"on-call\\"')}\n@id("f") forbid (principal, action == Action::"approve", resource);`,
      2,
      /with f \(a\.cedar, line 4\), fewer than 1 of/,
    ],
    [
      'a permit on approve',
      '@id("a")\npermit (principal, action == Action::"approve", resource);',
      1,
      /no permit on Action::"approve"/,
    ],
    [
      'a permit on approve among others',
      '@id("a")\npermit (principal, action in [Action::"revoke", Action::"approve"], resource);',
      1,
      /no permit on Action::"approve"/,
    ],
    [
      'a permit on everything',
      '@id("a")\n@approval("none")\npermit (principal, action, resource);',
      1,
      /a permit names its actions/,
    ],
    [
      'brackets nested too deeply',
      `@id("a") forbid (principal, action, resource)\nwhen {\n${'('.repeat(20)}true${')'.repeat(20)} };`,
      3,
      /at most 20 nested brackets/,
    ],
    [
      'too many operators',
      `@id("a") forbid (principal, action, resource)\nwhen { ${'true && '.repeat(60)}\n${'true && '.repeat(60)} true };`,
      3,
      /100 operators/,
    ],
  ])('refuses %s, with its line', (_what, text, line, message) => {
    const problems = problemsOf(() => compile(text));
    expect(problems).toEqual([{ file: 'a.cedar', line, message: expect.stringMatching(message) }]);
  });

  it.each([
    '\u0435ngineers',
    '\\u{435}ngineers',
    'engineers\\u{200b}',
    'engineers\\u{202e}',
    'engineers ',
    'Engineers',
  ])('refuses a group that only looks like one: %s', (name) => {
    const text = `@id("a")\nforbid (principal in Group::"${name}", action, resource);`;
    const messages = problemsOf(() => compile(text)).map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringMatching(/^nobody declared Group::/));
  });

  it('reports everything at once, by file and line', () => {
    const problems = problemsOf(() =>
      compilePolicies(
        [
          { file: 'b.cedar', text: '@id("b")\n@foo("x")\npermit (principal, action, resource);\nforbid (principal);' },
          { file: 'a.cedar', text: '\n\npermit (principal, action == Action::"request", resource in Group::"x");' },
        ],
        groups,
      ),
    );
    const places = problems.map(({ file, line }) => `${file}:${line}`);
    expect(places).toEqual(['a.cedar:3', 'a.cedar:3', 'b.cedar:1', 'b.cedar:1', 'b.cedar:2', 'b.cedar:4']);
  });

  it('finds an id that two files use', () => {
    const problems = problemsOf(() =>
      compilePolicies(
        ['b.cedar', 'a.cedar'].map((file) => ({ file, text: `\n${ok('same')}` })),
        groups,
      ),
    );
    expect(problems).toEqual([
      { file: 'b.cedar', line: 2, message: '@id("same") is already the id of the policy in a.cedar, line 2' },
    ]);
  });

  it('refuses no files, two files of one name, and text that is no Unicode', () => {
    expect(problemsOf(() => compilePolicies([], groups))[0]?.message).toMatch(/no \*\.cedar file/);
    const twice = ['x', 'y'].map((id) => ({ file: 'a.cedar', text: ok(id) }));
    expect(problemsOf(() => compilePolicies(twice, groups))).toEqual([
      { file: 'a.cedar', line: 1, message: 'two files of this name' },
    ]);
    expect(problemsOf(() => compile(`${ok('a')} // \ud800`))[0]?.message).toMatch(/not Unicode/);
  });

  it('takes what is written unusually but means something', () => {
    const text = `// a ; in a comment, and a " too
      @description("a ; and a \\" in a string // no comment")@id("a")@approval("10 of Group::\\"on-call\\"")
      permit(principal is Human in Group::"engineers",action in[Action::"request"],resource)unless{resource.name=="a\\"};"};
      @id("b")forbid(principal==Human::"${randomUUID()}",action,resource);// end`;
    expect(compile(text).rules.map(({ id, terms }) => [id, terms])).toEqual([
      ['a', { approval: { count: 10, group: 'on-call' }, maxDurationSeconds: 3_600, pendingForSeconds: 3_600 }],
      ['b', undefined],
    ]);
  });

  it('leaves two of a pair to each other, and a claim to be judged when asked', () => {
    expect(compile(asks('1 of Group::\\"pair\\"', 'principal in Group::"pair"')).rules).toHaveLength(1);
    expect(compile(asks('9 of Group::\\"on-call\\"')).rules).toHaveLength(1);
    const sometimes =
      'forbid (principal, action == Action::"approve", resource) when { context.signInAgeSeconds > 9 };';
    expect(compile(`${asks('1 of Group::\\"owners\\"')}\n@id("f") ${sometimes}`).rules).toHaveLength(2);
    expect(compile(asks('1 of Group::\\"owners\\"', 'principal in Group::"nobody"')).rules).toHaveLength(1);
  });

  it('keeps answering after a text that would wreck the engine', () => {
    const set = compile(ok('a'));
    for (const deep of [
      `${'('.repeat(9_999)}1${')'.repeat(9_999)}`,
      'true && '.repeat(9_999),
      '['.repeat(9_999),
      '!'.repeat(9_999),
      'if '.repeat(9_999),
    ]) {
      expect(problemsOf(() => compile(`@id("a") forbid (principal, action, resource) when { ${deep} };`))).toHaveLength(
        1,
      );
    }
    const verdict = set.may('audit', {
      principal: { kind: 'human', id: randomUUID(), connection: 'c', subject: 's', groups: [] },
      resource: { type: 'installation' },
      context: { signInAgeSeconds: 0 },
    });
    expect(verdict).toMatchObject({ allowed: false, refusal: { code: 'policy.no_rule' } });
  });
});

describe('version', () => {
  const a = { file: 'a.cedar', text: ok('a') };
  const b = { file: 'b.cedar', text: ok('b') };
  const version = (sources: { file: string; text: string }[], text = GROUPS) =>
    compilePolicies(sources, parseGroups({ file: 'groups.yaml', text })).version;

  it('is the same for the same content in any order', () => {
    expect(version([a, b])).toBe(version([b, a]));
    expect(version([a])).toBe(version([a], `${GROUPS}# a comment\n`));
    expect(version([a])).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is another for any other text, file name or member', () => {
    const versions = [
      version([a]),
      version([b]),
      version([a, b]),
      version([{ ...a, file: 'c.cedar' }]),
      version([{ ...a, text: `${a.text}\n` }]),
      version([a], GROUPS.replace('[embedded/ada]', '[embedded/adam]')),
      version([a], GROUPS.replace('connection: corp', 'connection: corp2')),
      version([a], GROUPS.replace('nobody: []', 'nobody: [embedded/ada]')),
    ];
    expect(new Set(versions).size).toBe(versions.length);
  });
});

describe('compilePolicyFiles', () => {
  it('reports what is wrong with groups and policies together, without noise about names', () => {
    const files = {
      groups: { file: 'groups.yaml', text: 'groups:\n  engineers: [ada]\n' },
      policies: [
        { file: 'a.cedar', text: `@id("a")\n@foo("1")\nforbid (principal in Group::"owners", action, resource);` },
      ],
    };
    expect(problemsOf(() => compilePolicyFiles(files)).map(({ file, line }) => `${file}:${line}`)).toEqual([
      'a.cedar:2',
      'groups.yaml:2',
    ]);
  });
});
