import { describe, expect, it } from 'vitest';
import { parseGroups, PolicyInvalid, type PolicyProblem } from './index';

const parse = (text: string) => parseGroups({ file: 'groups.yaml', text });

function problemsOf(text: string): readonly PolicyProblem[] {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof PolicyInvalid) return error.problems;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('parseGroups', () => {
  it('reads lists, nobody, and claims', () => {
    const { groups } = parse(`# who is who
groups:
  engineers: [embedded/ada, 'corp/auth0|12/3']
  nobody: []
  on-call:
    source: claim
    connection: corp
    value: "Платформа"
`);
    expect([...groups]).toEqual([
      ['engineers', { source: 'file', members: ['embedded/ada', 'corp/auth0|12/3'] }],
      ['nobody', { source: 'file', members: [] }],
      ['on-call', { source: 'claim', connection: 'corp', value: 'Платформа' }],
    ]);
  });

  it.each<[string, string, number, RegExp]>([
    ['an empty file', '', 1, /one map, `groups:`/],
    ['another top', '# x\nteams:\n  a: []\n', 2, /one map, `groups:`/],
    ['a list of groups', 'groups:\n  - engineers\n', 1, /one map, `groups:`/],
    ['something beside groups', 'groups:\n  a: []\nmembers: []\n', 3, /nothing but `groups:`/],
    ['broken YAML', 'groups:\n  a: [embedded/ada\n', 3, /./],
    ['two documents', 'groups:\n  a: []\n---\ngroups: {}\n', 3, /multiple documents/],
    ['a group given twice', 'groups:\n  a: []\n  a: [embedded/ada]\n', 3, /unique/],
    ['an anchor', 'groups:\n  a: &x [embedded/ada]\n', 2, /no anchors/],
    ['a tag', 'groups:\n  a: !!set {}\n', 2, /no anchors/],
    ['a group in capitals', 'groups:\n  Engineers: []\n', 2, /a group is named with/],
    ['a group that looks like another', 'groups:\n  engineers: []\n  \u0435ngineers: []\n', 3, /a group is named with/],
    ['a group with a quote', "groups:\n  'a\"b': []\n", 2, /a group is named with/],
    ['a number for a name', 'groups:\n  12: []\n', 2, /a group is named with/],
    ['a merge key', 'groups:\n  <<: { a: [] }\n', 2, /a group is named with/],
    ['a missing list', 'groups:\n  a: []\n  b:\n', 3, /\[\] for nobody/],
    ['one member without a list', 'groups:\n  a: embedded/ada\n', 2, /\[\] for nobody/],
    ['a member without a connection', 'groups:\n  a:\n    - embedded/ada\n    - ben\n', 4, /<connection>\/<subject>/],
    ['a member without a subject', 'groups:\n  a: [embedded/]\n', 2, /<connection>\/<subject>/],
    ['a member with a space', 'groups:\n  a: ["embedded/ada "]\n', 2, /<connection>\/<subject>/],
    ['a member outside ASCII', 'groups:\n  a: [embedded/\u0430da]\n', 2, /<connection>\/<subject>/],
    ['a number for a member', 'groups:\n  a: [7]\n', 2, /<connection>\/<subject>/],
    ['a member listed twice', 'groups:\n  a:\n    - embedded/ada\n    - embedded/ada\n', 4, /listed twice/],
    ['a claim without a connection', 'groups:\n  a: { source: claim, value: A }\n', 2, /a claim is written/],
    [
      'a claim with a surplus field',
      'groups:\n  a:\n    source: claim\n    connection: c\n    value: A\n    members: []\n',
      6,
      /nothing else/,
    ],
    ['another source', 'groups:\n  a:\n    source: magic\n    connection: c\n    value: A\n', 3, /source is malformed/],
    [
      'a claim with an invisible character',
      'groups:\n  a: { source: claim, connection: c, value: "A\u200b" }\n',
      2,
      /value is malformed/,
    ],
  ])('refuses %s, with its line', (_what, text, line, message) => {
    expect(problemsOf(text)).toContainEqual({ file: 'groups.yaml', line, message: expect.stringMatching(message) });
  });

  it('refuses an alias, and reports everything at once', () => {
    expect(problemsOf('groups:\n  a: &x []\n  b: *x\n').map(({ line }) => line)).toEqual([2, 3]);
    expect(problemsOf('groups:\n  A: []\n  b: [x]\n  c:\n').map(({ line }) => line)).toEqual([2, 3, 4]);
  });
});
