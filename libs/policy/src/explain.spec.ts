import { describe, expect, it } from 'vitest';
import { compilePolicies, parseGroups, type RequestFacts } from './index';

const groups = parseGroups({
  file: 'groups.yaml',
  text: 'groups:\n  engineers: [embedded/ada]\n  owners: [embedded/ada, embedded/ben]\n  on-call: { source: claim, connection: c, value: v }\n',
});
const facts: RequestFacts = {
  principal: {
    kind: 'human',
    id: '00000000-0000-4000-8000-000000000001',
    connection: 'embedded',
    subject: 'ada',
    groups: ['engineers'],
  },
  resource: { type: 'entitlement', target: 'orders-db', entitlement: 'read', kind: 'postgres', owner: 'owners' },
  context: { signInAgeSeconds: 1_000, durationSeconds: 7_200 },
};

const TEXT = `// one of each
@id("matches") @description("who; may") @approval("1 of Group::\\"owners\\"") @maxDuration("2h")
permit (principal in Group::"engineers", action == Action::"request", resource in Target::"orders-db")
when { context.signInAgeSeconds <= 3600 } unless { principal in resource.owner };

@id("short") @approval("1 of Group::\\"on-call\\"")
permit (principal, action in [Action::"request", Action::"revoke"], resource);

@id("other-people")
forbid (principal in Group::"on-call", action == Action::"request", resource);

@id("other-action")
forbid (principal, action == Action::"revoke", resource);

@id("other-target") @approval("none")
permit (principal, action == Action::"request", resource in Target::"other");

@id("condition") @approval("none")
permit (principal, action == Action::"request", resource)
when { context.durationSeconds > 1 }
when {
  context.signInAgeSeconds <= 900 // fresh
};

@id("fails")
forbid (principal, action == Action::"request", resource) when { context.durationSeconds * 9223372036854775807 > 0 };
`;

describe('explain', () => {
  it('says of each policy whether it counts, and which of its own words decide', () => {
    const set = compilePolicies([{ file: 'a.cedar', text: TEXT }], groups);
    const { version, verdict, policies } = set.explain(facts);
    expect(version).toBe(set.version);
    expect(verdict).toMatchObject({
      allowed: false,
      refusal: { code: 'policy.evaluation_failed', policies: ['fails'] },
    });
    expect(policies).toMatchObject([
      {
        policy: 'matches',
        file: 'a.cedar',
        line: 2,
        effect: 'permit',
        description: 'who; may',
        outcome: 'matches',
        tooLong: false,
        approvers: { count: 1, group: 'owners', known: ['embedded/ben'] },
      },
      { policy: 'short', line: 6, outcome: 'matches', tooLong: true, approvers: { count: 1, group: 'on-call' } },
      { policy: 'other-people', effect: 'forbid', outcome: 'scope', because: 'principal in Group::"on-call"' },
      { policy: 'other-action', outcome: 'scope', because: 'action == Action::"revoke"' },
      { policy: 'other-target', outcome: 'scope', because: 'resource in Target::"other"' },
      { policy: 'condition', outcome: 'condition', because: 'when {\n  context.signInAgeSeconds <= 900 // fresh\n}' },
      { policy: 'fails', outcome: 'error', error: expect.stringMatching(/integer overflow/) },
    ]);
    expect(policies[1]?.approvers).not.toHaveProperty('known');
  });
});
