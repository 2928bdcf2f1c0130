import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AppError, Secret } from '@app/kernel';
import { alterSignIn, anIdentityStage, aSignIn, type IdentityStage } from '../../../test/support/identity';
import {
  Connections,
  SIGN_IN_END_REASONS,
  SignInCollected,
  SignInLapsed,
  signInMachine,
  SignInRefused,
  SignInUnknown,
  type BegunSignIn,
} from './index';

describe('sign-in', () => {
  let stage: IdentityStage;
  beforeAll(async () => void (stage = await anIdentityStage()));
  afterAll(() => stage.close());
  beforeEach(() => {
    stage.provider.redeemed.length = 0;
    stage.provider.device = {};
    stage.provider.answer = () => ({ outcome: 'pending' });
  });

  const begin = async (options = {}): Promise<BegunSignIn> => stage.signIns.begin(stage.transact, options);
  const collect = ({ id, handle }: Pick<BegunSignIn, 'id' | 'handle'>) =>
    stage.signIns.collect(stage.transact, id, handle);
  const due = (id: string) => alterSignIn(stage, id, 'next_poll_at = clock_timestamp()');
  const begunAndDue = async (): Promise<BegunSignIn> => {
    const begun = await begin();
    await due(begun.id);
    return begun;
  };
  const rowOf = async (id: string) => (await stage.asOwner('SELECT * FROM sign_ins WHERE id = $1', [id]))[0]!;
  const eventsOf = async (id: string) =>
    (
      await stage.asOwner<{ to_state: string }>('SELECT to_state FROM audit_events WHERE subject_id = $1 ORDER BY id', [
        id,
      ])
    ).map((event) => event.to_state);
  const groupsOf = async (subject: string) =>
    stage.asOwner('SELECT group_name, source, expires_at FROM group_members WHERE subject = $1 ORDER BY 1', [subject]);

  it('has the states and end reasons that the database checks', async () => {
    const checks = await stage.asOwner<{ def: string }>(
      `SELECT pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conrelid = 'sign_ins'::regclass AND contype = 'c'`,
    );
    const listed = (column: string) =>
      checks
        .filter(({ def }) => def.startsWith(`CHECK ((${column} = ANY (ARRAY[`))
        .map(({ def }) => [...def.matchAll(/'([a-z_]+)'/g)].map(([, word = '']) => word).toSorted());
    expect(listed('state')).toEqual([[...signInMachine.states].toSorted()]);
    expect(listed('end_reason')).toEqual([[...SIGN_IN_END_REASONS].toSorted()]);
  });

  it('keeps neither the device code nor the handle readable', async () => {
    let code = '';
    const { id, handle } = await begunAndDue();
    stage.provider.answer = () => ((code = stage.provider.redeemed[0] ?? ''), { outcome: 'pending' });
    await collect({ id, handle });
    const dump = inspect(await rowOf(id), { maxStringLength: null, maxArrayLength: null });
    const bytes = Object.values(await rowOf(id)).map((value) =>
      Buffer.isBuffer(value) ? value.toString('latin1') : '',
    );
    for (const secret of [code, handle.reveal()]) {
      expect(secret.length).toBeGreaterThan(20);
      expect(dump + bytes.join()).not.toContain(secret);
    }
    expect(inspect({ handle })).not.toContain(handle.reveal());
  });

  it('waits as long as the provider says before it asks, and tells the client how long', async () => {
    stage.provider.device = { intervalSeconds: 7 };
    const begun = await begin();
    expect(begun).toMatchObject({ intervalSeconds: 7, expiresInSeconds: 600, userCode: 'ABCD-EFGH' });
    expect(await collect(begun)).toEqual({ state: 'pending', retryAfterSeconds: 7 });
    expect(stage.provider.redeemed).toEqual([]);
    await due(begun.id);
    expect(await collect(begun)).toEqual({ state: 'pending', retryAfterSeconds: 7 });
    expect(await collect(begun)).toEqual({ state: 'pending', retryAfterSeconds: 7 });
    expect(stage.provider.redeemed).toHaveLength(1);
  });

  it('slows down when the provider says so, and stays slow', async () => {
    const begun = await begunAndDue();
    stage.provider.answer = () => ({ outcome: 'slow_down' });
    expect(await collect(begun)).toEqual({ state: 'pending', retryAfterSeconds: 10 });
    stage.provider.answer = () => ({ outcome: 'pending' });
    await due(begun.id);
    expect(await collect(begun)).toEqual({ state: 'pending', retryAfterSeconds: 10 });
  });

  it.each([
    [
      { intervalSeconds: 0, expiresInSeconds: 0.2 },
      { intervalSeconds: 1, expiresInSeconds: 1 },
    ],
    [
      { intervalSeconds: 1e9, expiresInSeconds: 1e12 },
      { intervalSeconds: 600, expiresInSeconds: 1_800 },
    ],
  ])('keeps what a provider says within bounds: %j', async (device, bounds) => {
    stage.provider.device = device;
    expect(await begin()).toMatchObject(bounds);
  });

  it('asks the provider once, however many poll at once', async () => {
    const begun = await begunAndDue();
    const gate = Promise.withResolvers<void>();
    stage.provider.answer = async () => {
      await gate.promise;
      return { outcome: 'proven', proof: { subject: 'once', authenticatedAt: new Date(), claims: {} } };
    };
    const first = collect(begun);
    await expect.poll(() => stage.provider.redeemed.length).toBe(1);
    // The answer takes longer than the interval; the right to ask is held all the same.
    const others = await Promise.all(Array.from({ length: 5 }, () => collect(begun)));
    expect(others.map((other) => other.state)).toEqual(Array.from({ length: 5 }, () => 'pending'));
    gate.resolve();
    expect((await first).state).toBe('completed');
    expect(stage.provider.redeemed).toHaveLength(1);
    expect(await eventsOf(begun.id)).toEqual(['pending', 'completed']);
  });

  it('completes once, also when two were told yes', async () => {
    const begun = await begunAndDue();
    const gate = Promise.withResolvers<void>();
    stage.provider.answer = async () => {
      await gate.promise;
      return { outcome: 'proven', proof: { subject: 'twice', authenticatedAt: new Date(), claims: {} } };
    };
    const slow = collect(begun);
    await expect.poll(() => stage.provider.redeemed.length).toBe(1);
    await due(begun.id); // as if the first had been away for too long
    stage.provider.prove('twice');
    expect((await collect(begun)).state).toBe('completed');
    gate.resolve();
    await expect(slow).rejects.toBeInstanceOf(SignInCollected);
    expect(await eventsOf(begun.id)).toEqual(['pending', 'completed']);
    const [families] = await stage.asOwner<{ count: string }>(
      'SELECT count(*) FROM refresh_tokens WHERE sign_in_id = $1',
      [begun.id],
    );
    expect(families?.count).toBe('1');
  });

  it('hands the tokens over once, to whoever shows the handle', async () => {
    const signedIn = await aSignIn(stage, 'ada', { email: 'ada@example.com', name: 'Ada L.' });
    await expect(collect(signedIn)).rejects.toBeInstanceOf(SignInCollected);
    const wrong = { id: signedIn.id, handle: new Secret('x'.repeat(43)) };
    await expect(collect(wrong)).rejects.toBeInstanceOf(SignInUnknown);
    const pending = await begunAndDue();
    await expect(collect({ ...pending, handle: wrong.handle })).rejects.toBeInstanceOf(SignInUnknown);
    expect(await rowOf(pending.id)).toMatchObject({ state: 'pending' });
  });

  it('makes one identity of a connection and a subject, and never of an e-mail address', async () => {
    const one = await aSignIn(stage, 'same', { email: 'shared@example.com', name: 'First' });
    const again = await aSignIn(stage, 'same', { email: 'new@example.com', name: 'Second' });
    const other = await aSignIn(stage, 'other', { email: 'new@example.com' });
    expect(again.identityId).toBe(one.identityId);
    expect(other.identityId).not.toBe(one.identityId);
    const [row] = await stage.asOwner('SELECT kind, name, email FROM identities WHERE id = $1', [one.identityId]);
    expect(row).toEqual({ kind: 'human', name: 'Second', email: 'new@example.com' });
  });

  it('records the sign-in as the act of whoever it was', async () => {
    const { id, identityId } = await aSignIn(stage);
    const [event] = await stage.asOwner<{ actor: string; canonical: Buffer }>(
      `SELECT actor, canonical FROM audit_events WHERE subject_id = $1 AND to_state = 'completed'`,
      [id],
    );
    expect(event?.actor).toBe(identityId);
    expect(JSON.parse(event?.canonical.toString() ?? '')).toMatchObject({ identity: identityId, from: 'pending' });
  });

  it('counts from the moment of the proof, and ends after the longest a sign-in may last', async () => {
    stage.provider.prove('timed', {}, new Date(Date.now() - 120_000));
    const begun = await begunAndDue();
    await collect(begun);
    const row = (await rowOf(begun.id)) as Record<string, Date>;
    const seconds = (from: Date | undefined, to: Date | undefined) =>
      ((to?.getTime() ?? 0) - (from?.getTime() ?? 0)) / 1_000;
    expect(seconds(row['signed_in_at'], row['created_at'])).toBeCloseTo(120, -1);
    expect(seconds(row['created_at'], row['ends_at'])).toBeCloseTo(43_200, -1);
  });

  it('puts no proof into the future', async () => {
    stage.provider.prove('early', {}, new Date(Date.now() + 20_000));
    const begun = await begunAndDue();
    await collect(begun);
    const [row] = await stage.asOwner('SELECT signed_in_at <= clock_timestamp() AS past FROM sign_ins WHERE id = $1', [
      begun.id,
    ]);
    expect(row).toEqual({ past: true });
  });

  it('refuses a proof that is older than what was asked for, whatever the provider thinks', async () => {
    const begun = await begin({ maxAgeSeconds: 0 });
    expect(stage.provider.begun.at(-1)).toEqual({ maxAgeSeconds: 0 });
    await due(begun.id);
    stage.provider.prove('ada', {}, new Date(Date.now() - 60_000));
    await expect(collect(begun)).rejects.toMatchObject({ code: 'identity.sign_in_too_old' });
    expect(await rowOf(begun.id)).toMatchObject({ state: 'refused', device_code_sealed: null });
  });

  it('never asks for more than a sign-in lasts', async () => {
    await begin({ maxAgeSeconds: 31_622_400 });
    await begin();
    expect(stage.provider.begun.slice(-2)).toEqual([{ maxAgeSeconds: 43_200 }, { maxAgeSeconds: 43_200 }]);
  });

  it.each([
    ['refused', SignInRefused, 'refused'],
    ['lapsed', SignInLapsed, 'lapsed'],
  ] as const)('is over when the provider says %s', async (outcome, error, state) => {
    const begun = await begunAndDue();
    stage.provider.answer = () => ({ outcome });
    await expect(collect(begun)).rejects.toBeInstanceOf(error);
    await expect(collect(begun)).rejects.toBeInstanceOf(error);
    expect(await rowOf(begun.id)).toMatchObject({ state, device_code_sealed: null });
    expect(stage.provider.redeemed).toHaveLength(1);
  });

  it('is refused when what came for the code proves nothing', async () => {
    const begun = await begunAndDue();
    const error = new AppError({ kind: 'forbidden', code: 'test.forged', message: 'forged' });
    stage.provider.answer = () => ({ outcome: 'unproven', error });
    await expect(collect(begun)).rejects.toBe(error);
    await expect(collect(begun)).rejects.toBeInstanceOf(SignInRefused);
  });

  it('is not over when the provider does not answer', async () => {
    const begun = await begunAndDue();
    const error = new AppError({ kind: 'unavailable', code: 'test.away', message: 'away' });
    stage.provider.answer = () => Promise.reject(error);
    await expect(collect(begun)).rejects.toBe(error);
    expect(await collect(begun)).toEqual({ state: 'pending', retryAfterSeconds: 5 });
    await due(begun.id);
    stage.provider.prove('patient');
    expect((await collect(begun)).state).toBe('completed');
  });

  it('lapses in time, also before anybody has written it down', async () => {
    const begun = await begunAndDue();
    await alterSignIn(stage, begun.id, `lapses_at = clock_timestamp()`);
    stage.provider.prove('late');
    await expect(collect(begun)).rejects.toBeInstanceOf(SignInLapsed);
    expect(stage.provider.redeemed).toEqual([]);
  });

  it('counts the groups of the claim until the sign-in ends, and only the newest ones', async () => {
    const first = await aSignIn(stage, 'grouped', { groups: ['b', 'a', 'a'] });
    const row = await rowOf(first.id);
    expect(await groupsOf('grouped')).toEqual(
      ['a', 'b'].map((name) => ({ group_name: name, source: 'claim', expires_at: row['ends_at'] })),
    );
    await aSignIn(stage, 'grouped', { groups: ['c'] });
    expect((await groupsOf('grouped')).map((group) => group['group_name'])).toEqual(['c']);
    await aSignIn(stage, 'grouped');
    expect(await groupsOf('grouped')).toEqual([]);
  });

  it('has what rests on the claims judged again: at once when one is gone, and when they do not count any more', async () => {
    const due = async (id: string) => {
      const [row] = await stage.asOwner(
        `SELECT kind, run_after <= clock_timestamp() AS now, run_after = s.ends_at AS "withTheSignIn" FROM operations o
         JOIN sign_ins s ON s.identity_id = o.subject_id WHERE s.id = $1 AND o.finished_at IS NULL`,
        [id],
      );
      return row;
    };
    expect(await due((await aSignIn(stage, 'plain')).id)).toBeUndefined();
    const first = await aSignIn(stage, 'moving', { groups: ['a', 'b'] });
    expect(await due(first.id)).toEqual({ kind: 'reevaluate', now: false, withTheSignIn: true });
    // Judged again no later than was said before.
    await aSignIn(stage, 'moving', { groups: ['a', 'b', 'c'] });
    expect(await due(first.id)).toEqual({ kind: 'reevaluate', now: false, withTheSignIn: true });
    await aSignIn(stage, 'moving', { groups: ['a'] });
    expect(await due(first.id)).toMatchObject({ now: true });
    // And one that is gone is not put off by the next sign-in.
    await aSignIn(stage, 'moving', { groups: ['a'] });
    expect(await due(first.id)).toMatchObject({ now: true });
  });

  it('refuses groups that it cannot read as a whole', async () => {
    const begun = await begunAndDue();
    stage.provider.prove('ada', { _claim_names: { groups: 'src1' } });
    await expect(collect(begun)).rejects.toMatchObject({ code: 'identity.sign_in_groups_missing' });
    expect(await rowOf(begun.id)).toMatchObject({ state: 'refused' });
  });

  it('signs out once, and forgets the tokens', async () => {
    const signedIn = await aSignIn(stage, 'leaving');
    const caller = { identityId: signedIn.identityId, signInId: signedIn.id };
    await stage.signIns.signOut(stage.transact, caller);
    await stage.signIns.signOut(stage.transact, caller);
    expect(await rowOf(signedIn.id)).toMatchObject({ state: 'ended', end_reason: 'signed_out' });
    expect(await eventsOf(signedIn.id)).toEqual(['pending', 'completed', 'ended']);
    expect(await stage.asOwner('SELECT FROM refresh_tokens WHERE sign_in_id = $1', [signedIn.id])).toEqual([]);
  });

  it('forgets the tokens of sign-ins that ended by themselves when the person comes again', async () => {
    const old = await aSignIn(stage, 'returning');
    await alterSignIn(stage, old.id, `state = 'ended', end_reason = 'expired', revision = revision + 1`);
    const fresh = await aSignIn(stage, 'returning');
    const left = await stage.asOwner(`SELECT sign_in_id FROM refresh_tokens WHERE sign_in_id = ANY($1)`, [
      [old.id, fresh.id],
    ]);
    expect(left).toEqual([{ sign_in_id: fresh.id }]);
  });

  it('keeps a connection by its name when its issuer moves', async () => {
    const connections = new Connections(stage.database);
    const settings = { name: 'moving', issuer: 'https://one.example', clientId: 'c', groupClaim: null };
    const before = await connections.ensure(settings);
    const same = await connections.ensure(settings);
    const after = await connections.ensure({ ...settings, issuer: 'https://two.example' });
    expect(same).toEqual(before);
    expect(after).toMatchObject({ id: before.id, issuer: 'https://two.example' });
  });
});
