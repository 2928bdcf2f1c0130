import { describe, expect, it } from 'vitest';
import { Terminal } from '../terminal';
import type { Outcome, Person } from './person';
import { tellStory, type Doors } from './story';

const AGO_MS = 9_000;

/** What the service and the database say, when all goes well; a test changes some of it. */
interface World {
  /** The code of the problem that ada's own approval is answered with; `undefined` when it goes through. */
  ownApproval: string | undefined;
  /** The same for ben, who asks for ada's credential. */
  foreignPickUp: string | undefined;
  /** When the session is cut, after the deadline; `undefined` when it never is. */
  cutAfterMs: number | undefined;
  door: string;
  state: string;
  sequences: number[];
}

const KEPT: World = {
  ownApproval: 'access.self_approval',
  foreignPickUp: 'access.grant_not_found',
  cutAfterMs: 300,
  door: 'password authentication failed for user "x"',
  state: 'ended',
  sequences: [1, 2, 3, 4, 5],
};

class Said extends Terminal {
  readonly kept: string[] = [];
  readonly broken: string[] = [];

  override say(): void {}
  override done(line: string): void {
    this.kept.push(line);
  }
  override fail(message: string, [seen = '']: readonly string[]): void {
    this.broken.push(`${message}: ${seen}`);
  }
}

async function told(more: Partial<World> = {}) {
  const world: World = { ...KEPT, ...more };
  // The deadline is past when the story gets there: the wait for the cut is nearly over.
  const deadline = Math.floor(performance.timeOrigin + performance.now()) - AGO_MS;
  const endsAt = new Date(deadline).toISOString();
  const outcome = (code: string | undefined): Outcome =>
    code === undefined ? { code: 0, out: '{}', said: '' } : { code: 4, out: '', said: `{ "code": "${code}" }` };
  const looks = ['active'];
  const answers: Record<string, () => unknown> = {
    request: () => ({ id: 'r' }),
    approve: () => ({ grants: [{ id: 'g' }] }),
    credential: () => ({ fields: { host: 'h', port: '1', database: 'd', username: 'u', password: 'p' } }),
    show: () => ({
      state: looks.shift() ?? world.state,
      endsAt,
      endReason: 'expired',
      lateMs: 1,
      evidence: [{ kind: 'proof', body: { checks: [{ check: 'c', answer: 'a', verdict: 'ended' }] } }],
    }),
    audit: () => ({ items: world.sequences.toReversed().map((n) => ({ members: { sequence: String(n), to: 's' } })) }),
  };
  const person = (refusals: Record<string, string | undefined> = {}): Person =>
    ({
      run: async (word: string) => answers[word]!(),
      attempt: async (word: string) => outcome(refusals[word]),
    }) as unknown as Person;
  const cut =
    world.cutAfterMs === undefined
      ? new Promise<never>(() => undefined)
      : Promise.resolve({ at: deadline + world.cutAfterMs, words: 'terminated' });
  const doors: Doors = {
    open: async () => ({ ask: async () => [{ orders: 10 }], cut, leave: async () => undefined }),
    knock: async () => world.door,
    now: () => performance.timeOrigin + performance.now(),
  };
  const terminal = new Said({ NO_COLOR: '1' });
  const [ada, ben] = [person({ approve: world.ownApproval }), person({ credential: world.foreignPickUp })];
  const broken = await tellStory({ ada, ben, cleo: person() }, terminal, doors);
  expect(broken).toBe(terminal.broken.length);
  return terminal;
}

describe('the story of the demo', () => {
  it('keeps seven promises', async () => {
    const { kept, broken } = await told();
    expect([kept.length, broken]).toEqual([7, []]);
  });

  it('goes on when the session is never cut: one promise is broken, the others are looked at', async () => {
    const { kept, broken } = await told({ cutAfterMs: undefined });
    expect(broken).toEqual(['BROKEN: the open session is cut at the deadline: it is open 10 s after it']);
    expect(kept).toHaveLength(6);
  });

  it.each([-1, 2_001])('does not keep the promise of the cut %i ms after the deadline', async (cutAfterMs) => {
    expect((await told({ cutAfterMs })).broken).toHaveLength(1);
  });

  it('looks at the record when the end is not proven in time', async () => {
    const { kept, broken } = await told({ state: 'stuck' });
    expect(broken).toEqual(['BROKEN: ended means proven: the grant is not ended after 15 s; it is stuck']);
    expect(kept.at(-1)).toContain('each step is in the record');
  });

  it.each([
    ['ownApproval', 'cli.service_unavailable', 'nobody approves their own request'],
    ['ownApproval', undefined, 'nobody approves their own request'],
    ['foreignPickUp', 'cli.not_signed_in', 'a credential is its holder’s alone'],
    ['foreignPickUp', undefined, 'a credential is its holder’s alone'],
  ] as const)('takes no other failure for a refusal (%s: %s)', async (which, code, promise) => {
    const { kept, broken } = await told({ [which]: code });
    expect(broken).toEqual([`BROKEN: ${promise}: ${code ?? 'it went through'}`]);
    expect(kept).toHaveLength(6);
  });
});
