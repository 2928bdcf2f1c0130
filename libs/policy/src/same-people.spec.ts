import { describe, expect, it } from 'vitest';
import { assertDecidable, compilePolicies, parseGroups, PolicyInvalid } from './index';

const groups = parseGroups({
  file: 'groups.yaml',
  text: `groups:
  engineers: [a/ada, a/dan]
  alone: [b/ada]
  ada: [a/ada]
  pair: [a/ben, b/ben]
  three: [a/ben, b/ben, a/bea]
  bea: [a/bea]
  on-call: { source: claim, connection: a, value: On-call }
`,
});
const SAME = [
  ['a/ada', 'b/ada'],
  ['a/ben', 'b/ben'],
];

const permit = (approval: string, who = 'engineers') =>
  `@id("p")\n@approval("${approval.replace(/of (.*)/, 'of Group::\\"$1\\"')}")\npermit (principal in Group::"${who}", action == Action::"request", resource);\n`;
const forbid = (who: string) =>
  `@id("f")\nforbid (principal in Group::"${who}", action == Action::"approve", resource);\n`;

function problemsOf(text: string, samePeople = SAME): readonly string[] {
  const set = compilePolicies([{ file: 'a.cedar', text }], groups);
  try {
    assertDecidable(set, samePeople);
    return [];
  } catch (error) {
    if (!(error instanceof PolicyInvalid)) throw error;
    return error.problems.map(({ file, line, message }) => `${file}:${line} ${message}`);
  }
}

describe('a rule whose approvers are fewer people than accounts', () => {
  it.each([
    [
      'two of one person',
      permit('2 of pair'),
      /^a\.cedar:2 .*it takes 2 of Group::"pair", whose 2 accounts are 1 person:/,
    ],
    ['three of two people', permit('3 of three'), /takes 3 of Group::"three", whose 3 accounts are 2 people:/],
    [
      'whoever asks, in another account',
      permit('1 of alone', 'ada'),
      /takes 1 of Group::"alone", which has 1, the requester/,
    ],
    [
      'one of whom a forbid leaves one person',
      permit('2 of three') + forbid('bea'),
      /with f \(a\.cedar, line 4\), fewer than 2/,
    ],
  ])('is refused: %s', (_, text, message) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(message)]);
    expect(problemsOf(text, [])).toEqual([]);
  });

  it.each([
    ['one of two accounts', permit('1 of pair')],
    ['two of two people with three accounts', permit('2 of three')],
    ['somebody else than one who asks', permit('1 of alone')],
    ['a claim, of which only the provider knows', permit('2 of on-call')],
  ])('is taken: %s', (_, text) => {
    expect(problemsOf(text)).toEqual([]);
  });
});
