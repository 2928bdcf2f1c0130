import { createHash } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { alterSignIn, anIdentityStage, aSignIn, type IdentityStage } from '../../../test/support/identity';
import { AccessTokenRefused, RefreshTokenRefused } from './index';

describe('refresh tokens', () => {
  let stage: IdentityStage;
  beforeAll(async () => void (stage = await anIdentityStage()));
  afterAll(() => stage.close());

  const refresh = (token: Secret<string>) => stage.tokens.refresh(stage.transact, token);
  const stateOf = async (id: string) =>
    (await stage.asOwner('SELECT state, end_reason FROM sign_ins WHERE id = $1', [id]))[0];
  const lastEvent = async (id: string) => {
    const [event] = await stage.asOwner<{ canonical: Buffer }>(
      'SELECT canonical FROM audit_events WHERE subject_id = $1 ORDER BY id DESC LIMIT 1',
      [id],
    );
    return JSON.parse(event?.canonical.toString() ?? '{}') as Record<string, string>;
  };

  /** Holds the tokens of a sign-in, and lets go once so many wait for a lock. */
  async function hold(signInId: string) {
    const holder = new pg.Client({ connectionString: stage.test.urls.owner });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM refresh_tokens WHERE sign_in_id = $1 FOR UPDATE', [signInId]);
    const waiting = async () => {
      const { rowCount } = await holder.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rowCount;
    };
    return {
      letGoOnce: async (contenders: number) => {
        await until(waiting, contenders);
        await holder.query('COMMIT');
        await holder.end();
      },
      waiting: (contenders: number) => until(waiting, contenders),
    };
  }
  const until = (waiting: () => Promise<number | null>, contenders: number) =>
    expect.poll(waiting, { timeout: 5_000 }).toBe(contenders);

  it('give the next pair, each once', async () => {
    const first = await aSignIn(stage);
    const second = await refresh(first.refreshToken);
    const third = await refresh(second.refreshToken);
    expect(new Set([first, second, third].map((pair) => pair.refreshToken.reveal())).size).toBe(3);
    expect(third.signInEndsAt).toEqual(first.signInEndsAt);
    expect(await stage.accessTokens.verify(third.accessToken)).toEqual({
      identityId: first.identityId,
      signInId: first.id,
    });
  });

  it('are kept as hashes only', async () => {
    const { id, refreshToken } = await aSignIn(stage);
    expect(Buffer.from(refreshToken.reveal(), 'base64url')).toHaveLength(32);
    const rows = await stage.asOwner<{ token_hash: Buffer }>(
      'SELECT token_hash FROM refresh_tokens WHERE sign_in_id = $1',
      [id],
    );
    expect(rows.map((row) => row.token_hash)).toEqual([createHash('sha256').update(refreshToken.reveal()).digest()]);
  });

  it('end the whole family when one is used a second time, and the record says so', async () => {
    const { id, identityId, refreshToken } = await aSignIn(stage);
    const next = await refresh(refreshToken);
    await expect(refresh(refreshToken)).rejects.toBeInstanceOf(RefreshTokenRefused);
    expect(await stateOf(id)).toEqual({ state: 'ended', end_reason: 'token_reused' });
    expect(await lastEvent(id)).toMatchObject({ to: 'ended', endReason: 'token_reused', actor: identityId });
    await expect(refresh(next.refreshToken)).rejects.toBeInstanceOf(RefreshTokenRefused);
    const claims = await stage.accessTokens.verify(next.accessToken);
    await expect(stage.callers.get(claims)).rejects.toBeInstanceOf(AccessTokenRefused);
  });

  it('end the whole family when one is used twice in the same instant', async () => {
    const { id, refreshToken } = await aSignIn(stage);
    const holding = await hold(id);
    const contenders = Promise.allSettled([refresh(refreshToken), refresh(refreshToken)]);
    await holding.letGoOnce(2);
    const outcomes = await contenders;
    expect(outcomes.map((outcome) => outcome.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await stateOf(id)).toEqual({ state: 'ended', end_reason: 'token_reused' });
  });

  it('leave nothing behind when somebody signs out in the middle of a refresh', async () => {
    const { id, identityId, refreshToken } = await aSignIn(stage);
    const holding = await hold(id);
    const refreshing = refresh(refreshToken);
    await holding.waiting(1);
    const leaving = stage.signIns.signOut(stage.transact, { identityId, signInId: id });
    await holding.letGoOnce(2);
    await Promise.all([refreshing, leaving]);
    expect(await stateOf(id)).toEqual({ state: 'ended', end_reason: 'signed_out' });
    expect(await stage.asOwner('SELECT FROM refresh_tokens WHERE sign_in_id = $1', [id])).toEqual([]);
  });

  it('are refused when unknown, whatever they look like', async () => {
    for (const token of ['', 'x'.repeat(43), "' OR true --", 'a'.repeat(10_000)])
      await expect(refresh(new Secret(token))).rejects.toBeInstanceOf(RefreshTokenRefused);
  });

  it('are refused after the end of the sign-in, before and after anybody wrote it down', async () => {
    const { id, refreshToken } = await aSignIn(stage);
    await alterSignIn(stage, id, 'ends_at = clock_timestamp()');
    await expect(refresh(refreshToken)).rejects.toBeInstanceOf(RefreshTokenRefused);
    await alterSignIn(stage, id, `state = 'ended', end_reason = 'expired', revision = revision + 1`);
    await expect(refresh(refreshToken)).rejects.toBeInstanceOf(RefreshTokenRefused);
    expect(await stateOf(id)).toEqual({ state: 'ended', end_reason: 'expired' });
  });

  it('do not stand in the way of signing out, nor the other way round', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { id, identityId, refreshToken } = await aSignIn(stage, 'busy');
      const [, refreshed] = await Promise.allSettled([
        stage.signIns.signOut(stage.transact, { identityId, signInId: id }),
        refresh(refreshToken),
      ]);
      const error: unknown =
        refreshed.status === 'rejected'
          ? refreshed.reason
          : await refresh(refreshed.value.refreshToken).catch((refusal: unknown) => refusal);
      expect(error).toBeInstanceOf(RefreshTokenRefused);
      expect(await stateOf(id)).toEqual({ state: 'ended', end_reason: 'signed_out' });
    }
  });
});
