import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { slots } from './cedar';
import { normalAddress } from './entities';
import {
  compilePolicies,
  compilePolicyFiles,
  parseGroups,
  readPolicyFiles,
  type ApproveFacts,
  type EntitlementFacts,
  type PolicySet,
  type PrincipalFacts,
  type RequestFacts,
} from './index';

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const person = (n: number, subject: string, ...groups: string[]): PrincipalFacts => ({
  kind: 'human',
  id: id(n),
  connection: 'embedded',
  subject,
  groups,
});
const ada = person(1, 'ada', 'engineers');
const ben = person(2, 'ben', 'orders-owners');
const cleo = person(3, 'cleo', 'auditors');
const root = person(4, 'root', 'administrators');

const entitlement = (name = 'read', target = 'orders-db'): EntitlementFacts => ({
  type: 'entitlement',
  target,
  entitlement: name,
  kind: 'postgres',
  owner: 'orders-owners',
});
const asks = (change: Partial<RequestFacts> = {}): RequestFacts => ({
  principal: ada,
  resource: entitlement(),
  context: { signInAgeSeconds: 60, durationSeconds: 1_800 },
  ...change,
});
const approves = (change: Partial<ApproveFacts> = {}): ApproveFacts => ({
  principal: ben,
  resource: entitlement(),
  context: { signInAgeSeconds: 60, durationSeconds: 1_800 },
  approval: { count: 1, group: 'orders-owners' },
  requesterIdentityIds: [ada.id],
  ...change,
});

const GROUPS = `groups:
  engineers: [embedded/ada, embedded/dan]
  orders-owners: [embedded/ben]
  pair: [embedded/ada, embedded/ben]
  on-call: { source: claim, connection: corp, value: On-call }
`;
const setOf = (text: string): PolicySet =>
  compilePolicies([{ file: 'a.cedar', text }], parseGroups({ file: 'groups.yaml', text: GROUPS }));
const permit = (
  name: string,
  annotations: string,
  rest = 'permit (principal, action == Action::"request", resource);',
) => `@id("${name}") ${annotations} ${rest}\n`;
const none = permit('none', '@approval("none")');

let house: PolicySet;
beforeAll(async () => {
  house = compilePolicyFiles(await readPolicyFiles(join(import.meta.dirname, '../../../policies')));
});

describe('the default policies', () => {
  it('let an engineer ask, with one of the owners to decide', () => {
    expect(house.request(asks({ context: { signInAgeSeconds: 5, durationSeconds: 20 } }))).toEqual({
      allowed: true,
      paths: [
        {
          policy: 'orders-read',
          approval: { count: 1, group: 'orders-owners' },
          maxDurationSeconds: 14_400,
          pendingForSeconds: 3_600,
        },
      ],
    });
    expect(house.mayApprove(approves())).toEqual({ allowed: true, policies: [] });
    expect(house.request(asks({ resource: entitlement('write') })).allowed).toBe(true);
    expect(house.request(asks({ resource: entitlement('drop') })).allowed).toBe(false);
  });

  it('let owners and administrators revoke, auditors look, and administrators administer', () => {
    const context = { signInAgeSeconds: 60 };
    const installation = { type: 'installation' } as const;
    const target = { type: 'target', target: 'orders-db', kind: 'postgres', owner: 'orders-owners' } as const;
    const who = (ask: (principal: PrincipalFacts) => { allowed: boolean }) =>
      [ada, ben, cleo, root].filter((principal) => ask(principal).allowed).map(({ subject }) => subject);
    expect(who((principal) => house.may('revoke', { principal, resource: entitlement(), context }))).toEqual([
      'ben',
      'root',
    ]);
    expect(who((principal) => house.may('audit', { principal, resource: installation, context }))).toEqual([
      'cleo',
      'root',
    ]);
    expect(who((principal) => house.may('administer', { principal, resource: installation, context }))).toEqual([
      'root',
    ]);
    expect(who((principal) => house.may('administer', { principal, resource: target, context }))).toEqual(['root']);
    expect(who((principal) => house.request(asks({ principal })))).toEqual(['ada']);
    expect(who((principal) => house.mayApprove(approves({ principal })))).toEqual(['ben']);
  });

  it('describe what may be asked for, and by whom it is decided, a fresh sign-in or not', () => {
    const described = {
      policy: 'orders-write',
      maxDurationSeconds: 3_600,
      pendingForSeconds: 1_800,
      approvers: { count: 1, group: 'orders-owners', known: ['embedded/ben'] },
    };
    const at = (signInAgeSeconds: number) =>
      house.describePaths(
        asks({ resource: entitlement('write'), context: { signInAgeSeconds, durationSeconds: 9_999_999 } }),
      );
    expect(at(60)).toEqual([expect.objectContaining({ ...described, needsSignIn: false })]);
    expect(at(901)).toEqual([expect.objectContaining({ ...described, needsSignIn: true })]);
    expect(house.describePaths(asks({ principal: cleo }))).toEqual([]);
  });
});

describe('a refusal', () => {
  it.each<[string, () => PolicySet, Partial<RequestFacts>, Record<string, unknown>]>([
    [
      'names what is missing',
      () => house,
      { principal: cleo },
      { code: 'policy.no_rule', message: 'no rule lets members of auditors ask for orders-db/read', policies: [] },
    ],
    [
      'says how long would be allowed',
      () => house,
      { context: { signInAgeSeconds: 60, durationSeconds: 14_401 } },
      { code: 'policy.too_long', message: 'allowed for at most 4h by orders-read', policies: ['orders-read'] },
    ],
    [
      'asks for a fresh sign-in',
      () => house,
      { context: { signInAgeSeconds: 28_801, durationSeconds: 60 } },
      {
        code: 'policy.sign_in_too_old',
        message: 'sign in again: your sign-in is older than 8h, which is too old for orders-read',
        // A provider with a session of its own would send the sign-in of before once more.
        advice: '`curfew login --fresh`, then ask again.',
        policies: ['orders-read'],
      },
    ],
    [
      'asks for a fresh sign-in where a forbid wants one',
      () => setOf(`${none} @id("f") forbid (principal, action, resource) when { context.signInAgeSeconds > 9 };`),
      {},
      { code: 'policy.sign_in_too_old', policies: ['none'] },
    ],
    [
      'says that less time would do',
      () =>
        setOf(
          `${none} @id("f") forbid (principal, action == Action::"request", resource) when { context.durationSeconds > 9 };`,
        ),
      {},
      { code: 'policy.too_long', policies: ['none'] },
    ],
    [
      'names the forbid',
      () => setOf(`${none} @id("freeze") forbid (principal, action, resource);`),
      {},
      { code: 'policy.forbidden', message: 'freeze forbids this', policies: ['freeze'] },
    ],
    [
      'says of a forbid about everything nothing to those of whom no rule speaks',
      () =>
        setOf(
          `@id("theirs") @approval("none") permit (principal in Group::"orders-owners", action == Action::"request", resource);
           @id("freeze") forbid (principal, action, resource);`,
        ),
      {},
      { code: 'policy.no_rule', policies: [] },
    ],
    [
      'says that nobody can decide',
      () => setOf(permit('p', '@approval("2 of Group::\\"pair\\"")')),
      {},
      { code: 'policy.nobody_can_decide', policies: ['p'] },
    ],
    [
      'blames a forbid that fails',
      () =>
        setOf(
          `${none} @id("f") forbid (principal, action == Action::"request", resource) when { context.durationSeconds * 9223372036854775807 > 0 };`,
        ),
      {},
      { code: 'policy.evaluation_failed', message: 'f could not be evaluated', policies: ['f'] },
    ],
    [
      'blames a permit that fails when there is no other',
      () =>
        setOf(
          permit(
            'p',
            '@approval("none")',
            'permit (principal, action == Action::"request", resource) when { context.durationSeconds * 9223372036854775807 > 0 };',
          ),
        ),
      {},
      { code: 'policy.evaluation_failed', policies: ['p'] },
    ],
  ])('%s', (_what, set, facts, refusal) => {
    expect(set().request(asks(facts))).toMatchObject({ allowed: false, paths: [], refusal });
  });

  it('is not for a permit that fails beside one that holds', () => {
    const failing =
      'permit (principal, action == Action::"request", resource) when { context.durationSeconds * 9223372036854775807 > 0 };';
    const verdict = setOf(none + permit('p', '@approval("none")', failing)).request(asks());
    expect(verdict.paths.map(({ policy }) => policy)).toEqual(['none']);
  });

  it('comes from a forbid that fails on approving and acting too', () => {
    const fails = 'when { context.signInAgeSeconds * 9223372036854775807 > 0 };';
    const set = setOf(
      `@id("p") permit (principal, action == Action::"revoke", resource); @id("f") forbid (principal, action, resource) ${fails}`,
    );
    const refused = { allowed: false, refusal: { code: 'policy.evaluation_failed', policies: ['f'] } };
    expect(set.mayApprove(approves())).toMatchObject(refused);
    expect(
      set.may('revoke', { principal: ben, resource: entitlement(), context: { signInAgeSeconds: 60 } }),
    ).toMatchObject(refused);
  });
});

describe('paths', () => {
  it('are all permits that match, each with its own terms, in the order of the files', () => {
    const set = setOf(
      permit('z', '@approval("1 of Group::\\"orders-owners\\"") @maxDuration("30m")') +
        permit('short', '@approval("none") @maxDuration("1799s")') +
        permit('a', '@approval("1 of Group::\\"on-call\\"") @maxDuration("2d") @pendingFor("5m")') +
        permit('alone', '@approval("2 of Group::\\"pair\\"")') +
        permit(
          'other',
          '@approval("none")',
          'permit (principal, action == Action::"request", resource in Target::"other");',
        ),
    );
    expect(set.request(asks()).paths).toEqual([
      {
        policy: 'z',
        approval: { count: 1, group: 'orders-owners' },
        maxDurationSeconds: 1_800,
        pendingForSeconds: 3_600,
      },
      { policy: 'a', approval: { count: 1, group: 'on-call' }, maxDurationSeconds: 172_800, pendingForSeconds: 300 },
    ]);
  });

  it('are closed when all who could decide count as the requester', () => {
    const set = setOf(permit('p', '@approval("1 of Group::\\"pair\\"")'));
    expect(set.request(asks()).allowed).toBe(true);
    expect(set.request(asks({ alsoRequester: ['embedded/ben'] }))).toMatchObject({
      refusal: { code: 'policy.nobody_can_decide' },
    });
  });

  it('are closed when a forbid keeps those who could decide from it, on this target', () => {
    const set = setOf(`${permit('p', '@approval("1 of Group::\\"orders-owners\\"")')}
      @id("f") forbid (principal in Group::"orders-owners", action == Action::"approve", resource in Target::"orders-db");`);
    expect(set.request(asks())).toMatchObject({ refusal: { code: 'policy.nobody_can_decide' } });
    expect(set.request(asks({ resource: entitlement('read', 'other') })).allowed).toBe(true);
  });

  it('are closed when a forbid keeps all from deciding whom a claim might bring, on this target', () => {
    const set = setOf(`${permit('p', '@approval("1 of Group::\\"on-call\\"")')}
      @id("f") forbid (principal in Group::"on-call", action == Action::"approve", resource in Target::"orders-db");`);
    expect(set.request(asks())).toMatchObject({ refusal: { code: 'policy.nobody_can_decide' } });
    expect(set.request(asks({ resource: entitlement('read', 'other') })).allowed).toBe(true);
  });

  it('are closed when those who could decide may not do so for this target’s owner or kind', () => {
    const only = (condition: string) =>
      setOf(`${permit('p', '@approval("1 of Group::\\"pair\\"")')}
        @id("f") forbid (principal, action == Action::"approve", resource) unless { ${condition} };`);
    const owned = only('principal in resource.owner');
    expect(owned.request(asks()).allowed).toBe(true);
    const theirs = { ...entitlement(), owner: 'engineers' };
    expect(owned.request(asks({ resource: theirs }))).toMatchObject({
      refusal: { code: 'policy.nobody_can_decide' },
    });
    const aws = only('resource.kind == "aws"');
    expect(aws.request(asks())).toMatchObject({ refusal: { code: 'policy.nobody_can_decide' } });
    expect(aws.request(asks({ resource: { ...entitlement(), kind: 'aws' } })).allowed).toBe(true);
  });

  it('are closed for longer than anybody may agree to, and that is said', () => {
    const set = setOf(`${permit('p', '@approval("1 of Group::\\"orders-owners\\"")')}
      @id("f") forbid (principal, action == Action::"approve", resource) when { context.durationSeconds > 600 };`);
    const lasting = (durationSeconds: number) =>
      set.request(asks({ context: { signInAgeSeconds: 60, durationSeconds } }));
    expect(lasting(600).allowed).toBe(true);
    expect(lasting(601)).toMatchObject({
      refusal: { code: 'policy.too_long', advice: 'Ask for less.', policies: ['p'] },
    });
  });

  it('through a claim are open unless sign-ins have shown that nobody is in the group', () => {
    const set = setOf(permit('p', '@approval("1 of Group::\\"on-call\\"")'));
    const seen = (...members: string[]) => set.request(asks({ seenMembers: { 'on-call': members } })).allowed;
    expect([set.request(asks()).allowed, seen(), seen('embedded/ada'), seen('corp/eve')]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});

describe('approving', () => {
  it('is for members of the group only, and never for the requester under any id', () => {
    expect(house.mayApprove(approves({ principal: root }))).toMatchObject({
      refusal: { code: 'policy.not_an_approver' },
    });
    expect(house.mayApprove(approves({ requesterIdentityIds: [ada.id, ben.id] }))).toMatchObject({
      refusal: { code: 'policy.self_approval' },
    });
    expect(() => house.mayApprove(approves({ requesterIdentityIds: [] }))).toThrow('a fact about it is malformed');
    expect(() => house.mayApprove(approves({ requesterIdentityIds: ['ABC'] }))).toThrow('a fact about it is malformed');
  });

  it('can be forbidden', () => {
    const set = setOf(
      `${none} @id("fresh") forbid (principal, action == Action::"approve", resource) when { context.signInAgeSeconds > 300 };`,
    );
    expect(set.mayApprove(approves()).allowed).toBe(true);
    expect(set.mayApprove(approves({ context: { signInAgeSeconds: 301, durationSeconds: 1 } }))).toMatchObject({
      refusal: { code: 'policy.forbidden', policies: ['fresh'] },
    });
  });
});

describe('groups', () => {
  const set = setOf(
    permit(
      'p',
      '@approval("none")',
      'permit (principal in Group::"engineers", action == Action::"request", resource);',
    ),
  );
  const asksAs = (principal: PrincipalFacts) => set.request(asks({ principal })).allowed;

  it.each([
    'Engineers',
    'engineers ',
    ' engineers',
    '\u0435ngineers',
    'engineers\u200b',
    'engineers\0',
    'engineers"',
    'Group::"engineers"',
    '',
  ])('do not take %j for engineers', (name) => {
    expect(asksAs({ ...ada, groups: [name] })).toBe(false);
  });

  it('whose members a file lists have no others, whatever a claim says, nor those whose membership has ended', () => {
    expect([asksAs(ada), asksAs({ ...ada, groups: [] }), asksAs(person(9, 'eve', 'engineers'))]).toEqual([
      true,
      false,
      false,
    ]);
    expect(asksAs({ ...ada, connection: 'corp' })).toBe(false);
  });

  it('from a claim count through their own connection only', () => {
    const facts = (connection: string) =>
      approves({ principal: { ...person(9, 'eve', 'on-call'), connection }, approval: { count: 1, group: 'on-call' } });
    expect([set.mayApprove(facts('corp')).allowed, set.mayApprove(facts('other')).allowed]).toEqual([true, false]);
  });

  it('that nobody declared own nothing', () => {
    const resource = { ...entitlement(), owner: 'undeclared' };
    const principal = { ...ben, groups: ['undeclared'] };
    expect(house.may('revoke', { principal, resource, context: { signInAgeSeconds: 1 } }).allowed).toBe(false);
  });
});

describe('facts', () => {
  const odd = [
    'a"b',
    'a\\b',
    'a\\',
    '"',
    '") ;permit(principal,action,resource);',
    'données',
    '数据库',
    '🙂',
    'a\nb',
    '\0',
    '__proto__',
    'a b',
  ];

  it.each(odd)('are data, never policy text: %j', (name) => {
    const set = setOf(
      permit(
        'p',
        '@approval("none")',
        `permit (principal, action == Action::"request", resource in Target::${JSON.stringify('plain')});`,
      ),
    );
    expect(set.request(asks({ resource: entitlement('read', name) })).allowed).toBe(false);
    expect(set.request(asks({ resource: entitlement(name, 'plain') })).allowed).toBe(true);
    expect(
      set.request(asks({ principal: { ...ada, subject: name }, resource: entitlement('read', 'plain') })).allowed,
    ).toBe(true);
  });

  it.each<[string, Partial<RequestFacts>]>([
    ['a name that is no id', { principal: { ...ada, id: 'ada' } }],
    ['an id in capitals', { principal: { ...ada, id: 'AAAAAAAA-0000-4000-8000-000000000001' } }],
    ['half a character', { resource: entitlement('\ud800') }],
    ['an empty name', { resource: entitlement('') }],
    ['a target with a slash', { resource: entitlement('b', 'a/b') }],
    ['a connection with a slash', { principal: { ...ada, connection: 'a/b' } }],
    ['a fraction', { context: { signInAgeSeconds: 0.5, durationSeconds: 1 } }],
    ['a negative age', { context: { signInAgeSeconds: -1, durationSeconds: 1 } }],
    ['no number', { context: { signInAgeSeconds: NaN, durationSeconds: 1 } }],
    ['no time at all', { context: { signInAgeSeconds: 0, durationSeconds: 0 } }],
    ['a range for an address', { context: { signInAgeSeconds: 0, durationSeconds: 1, clientAddress: '10.0.0.0/8' } }],
    ['a name for an address', { context: { signInAgeSeconds: 0, durationSeconds: 1, clientAddress: 'localhost' } }],
  ])('refuse %s', (_what, facts) => {
    expect(() => house.request(asks(facts))).toThrow('a fact about it is malformed');
  });

  it('refuse an action on what it is not about', () => {
    expect(() =>
      house.may('audit', { principal: cleo, resource: entitlement(), context: { signInAgeSeconds: 0 } }),
    ).toThrow('malformed');
  });

  it('know an address however it is written', () => {
    const set = setOf(`${none} @id("f") forbid (principal, action == Action::"request", resource)
      unless { context has clientAddress && context.clientAddress.isInRange(ip("10.0.0.0/8")) };`);
    const from = (clientAddress: string) =>
      set.request(asks({ context: { signInAgeSeconds: 0, durationSeconds: 1, clientAddress } })).allowed;
    expect(['10.1.2.3', '::ffff:10.1.2.3', '::FFFF:0a01:203', '0:0:0:0:0:ffff:a01:203'].map(from)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['11.1.2.3', '::10.1.2.3', '::1', 'fe80::1%eth0'].map(from)).toEqual([false, false, false, false]);
    expect(set.request(asks()).allowed).toBe(false);
    expect(normalAddress('2001:DB8:0::1')).toBe('2001:db8::1');
  });
});

describe('any policies and facts', () => {
  const clause = fc.constantFrom(
    '',
    'when { context.signInAgeSeconds <= 900 }',
    'when { context.durationSeconds < 3600 }',
    'unless { principal in resource.owner }',
    'when { principal.subject == "ada" }',
    'unless { context has clientAddress && context.clientAddress.isLoopback() }',
    'when { context.signInAgeSeconds * 9223372036854775807 >= 0 }',
  );
  const who = fc.constantFrom('principal', 'principal in Group::"engineers"', 'principal in Group::"pair"');
  const what = fc.constantFrom(
    'resource',
    'resource in Target::"orders-db"',
    'resource == Entitlement::"orders-db/read"',
  );
  const approval = fc.constantFrom('none', '1 of Group::\\"pair\\"', '1 of Group::\\"on-call\\"');
  const permits = fc.array(fc.tuple(who, what, clause, approval), { minLength: 1, maxLength: 4 });
  const people = fc.constantFrom(ada, ben, person(5, 'dan', 'engineers'), person(6, 'eve'), {
    ...person(7, 'fay', 'on-call'),
    connection: 'corp',
  });
  const contexts = fc.record({
    signInAgeSeconds: fc.integer({ min: 0, max: 2_000 }),
    durationSeconds: fc.integer({ min: 1, max: 9_999 }),
  });
  const textOf = (all: [string, string, string, string][]) =>
    all
      .map(([p, r, c, a], i) =>
        permit(`p${i}`, `@approval("${a}")`, `permit (${p}, action == Action::"request", ${r}) ${c};`),
      )
      .join('');

  it('a forbid that holds wins, over whatever is permitted', () => {
    fc.assert(
      fc.property(permits, who, what, people, contexts, (all, w, r, principal, context) => {
        const facts = asks({ principal, context });
        const forbid = `@id("f") forbid (${w}, action == Action::"request", ${r});`;
        const holds = setOf(
          `@id("x") @approval("none") @maxDuration("9d") permit (${w}, action == Action::"request", ${r});`,
        ).request(facts).allowed;
        const verdict = setOf(textOf(all) + forbid).request(facts);
        expect(holds && verdict.allowed).toBe(false);
        // It is named to whom some rule speaks of.
        const spoken = setOf(textOf(all)).request(facts).allowed;
        expect(holds && spoken ? verdict : { refusal: { policies: ['f'] } }).toMatchObject({
          refusal: { policies: ['f'] },
        });
      }),
      { numRuns: 150 },
    );
  });

  it('no path is shorter than what is asked, and no facts let a requester approve', () => {
    fc.assert(
      fc.property(permits, people, contexts, fc.array(people, { maxLength: 3 }), (all, principal, context, others) => {
        const set = setOf(textOf(all));
        for (const path of set.request(asks({ principal, context })).paths) {
          expect(path.maxDurationSeconds).toBeGreaterThanOrEqual(context.durationSeconds);
        }
        const requesterIdentityIds = [...others, principal].map((one) => one.id);
        for (const group of ['pair', 'on-call', 'engineers', 'orders-owners'])
          expect(
            set.mayApprove(approves({ principal, context, requesterIdentityIds, approval: { count: 1, group } }))
              .allowed,
          ).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it('an explanation agrees with the verdict', () => {
    fc.assert(
      fc.property(permits, people, contexts, (all, principal, context) => {
        const set = setOf(textOf(all));
        const facts = asks({ principal, context });
        const { verdict, policies } = set.explain(facts);
        const open = policies.filter(
          ({ outcome, tooLong, approvers }) => outcome === 'matches' && !tooLong && (approvers?.known?.length ?? 9) > 0,
        );
        expect(verdict).toEqual(set.request(facts));
        expect(verdict.paths.map(({ policy }) => policy)).toEqual(open.map(({ policy }) => policy));
      }),
      { numRuns: 150 },
    );
  });
});

describe('sets', () => {
  it('live side by side, and leave no names behind when they are gone', async () => {
    setFlagsFromString('--expose_gc');
    const collect = runInNewContext('gc') as () => void;
    const [open, closed] = [
      setOf(none),
      setOf(`${none} @id("f") forbid (principal in Group::"engineers", action, resource);`),
    ];
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 10; i += 1) setOf(none);
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = slots.made;
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 10; i += 1) setOf(none);
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(slots.made - before).toBeLessThanOrEqual(20);
    expect([open.request(asks()).allowed, closed.request(asks()).allowed]).toEqual([true, false]);
  });
});
