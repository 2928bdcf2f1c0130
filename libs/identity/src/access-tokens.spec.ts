import { createHmac, randomUUID } from 'node:crypto';
import { exportSPKI, generateKeyPair, importJWK, SignJWT, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { Sealer } from '@app/platform';
import { anIdentityStage, type IdentityStage } from '../../../test/support/identity';
import { AccessTokenRefused, AccessTokens, SigningKey, SigningKeys } from './index';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('AccessTokens', () => {
  let stage: IdentityStage;
  let key: Awaited<ReturnType<SigningKeys['signing']>>;
  const person = { identityId: randomUUID(), signInId: randomUUID(), signedInAt: new Date('2026-01-01T00:00:00Z') };

  beforeAll(async () => {
    stage = await anIdentityStage();
    key = await stage.keys.signing();
  });
  beforeEach(() => void (stage.clock.offsetMs = 0));
  afterAll(() => stage.close());

  const now = () => Math.floor(stage.clock.milliseconds() / 1_000);
  const goodHeader = () => ({ alg: 'EdDSA', typ: 'at+jwt', kid: key.id });
  const goodPayload = (): JWTPayload => ({
    iss: `urn:curfew:${stage.installation}`,
    aud: 'curfew-api',
    sub: person.identityId,
    sid: person.signInId,
    auth_time: 1_767_225_600,
    jti: randomUUID(),
    iat: now(),
    exp: now() + 600,
  });
  /** Signed with our own key: only what is changed is wrong. */
  const forged = (payload: JWTPayload = {}, header: Partial<JWTHeaderParameters> = {}) =>
    new SignJWT({ ...goodPayload(), ...payload })
      .setProtectedHeader({ ...goodHeader(), ...header })
      .sign(key.key.reveal());
  const verify = (token: string) => stage.accessTokens.verify(new Secret(token));
  const outcome = (token: string) =>
    verify(token).then(
      () => 'believed',
      (error: unknown) => (error instanceof AccessTokenRefused ? 'refused' : error),
    );

  it('believes what it issued, and says for whom', async () => {
    const token = await stage.accessTokens.issue(person);
    expect(await stage.accessTokens.verify(token)).toEqual({
      identityId: person.identityId,
      signInId: person.signInId,
    });
    await expect(verify(await forged())).resolves.toBeDefined();
  });

  it('carries type, issuer, audience, sign-in, its time and ten minutes', async () => {
    const [header = '', payload = ''] = (await stage.accessTokens.issue(person)).reveal().split('.');
    const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as JWTPayload;
    expect(parse(header)).toEqual(goodHeader());
    const claims = parse(payload);
    expect(claims).toEqual({
      ...goodPayload(),
      jti: expect.any(String),
      iat: claims.iat,
      exp: (claims.iat ?? 0) + 600,
    });
  });

  it.each([
    ['another issuer', { iss: `urn:curfew:${randomUUID()}` }],
    ['another audience', { aud: 'curfew' }],
    ['a list of audiences without ours', { aud: ['a', 'b'] }],
    ['a subject that is no identity', { sub: 'ada' }],
    ['a sign-in that is none', { sid: '../current' }],
    ['an auth_time that is none', { auth_time: 'yesterday' }],
  ])('refuses %s', async (_, payload) => {
    expect(await outcome(await forged(payload))).toBe('refused');
  });

  it.each(['iss', 'aud', 'sub', 'sid', 'auth_time', 'iat', 'exp', 'jti'])(
    'refuses a token without %s',
    async (claim) => {
      expect(await outcome(await forged({ [claim]: undefined }))).toBe('refused');
    },
  );

  it.each([
    ['the type of an ID token', { typ: 'JWT' }],
    ['no type', { typ: undefined }],
    ['an unknown key', { kid: randomUUID() }],
    ['no key', { kid: undefined }],
    ['a path for a key', { kid: '../../../../dev/null' }],
    ['a query for a key', { kid: `' UNION SELECT '{}' --` }],
    ['an inherited name for a key', { kid: '__proto__' }],
    ['an extension that must be understood', { crit: ['due'], due: 1 }],
  ] as const)('refuses %s', async (_, header) => {
    expect(
      await outcome(
        await new SignJWT(goodPayload())
          .setProtectedHeader({ ...goodHeader(), ...header } as JWTHeaderParameters)
          .sign(key.key.reveal(), { crit: { due: true } }),
      ),
    ).toBe('refused');
  });

  it('refuses an unsigned token', async () => {
    for (const alg of ['none', 'None', 'NONE', ''])
      for (const signature of ['', 'AA'])
        expect(await outcome(`${encode({ ...goodHeader(), alg })}.${encode(goodPayload())}.${signature}`)).toBe(
          'refused',
        );
  });

  it('refuses a token signed with the public key as a shared secret', async () => {
    const row = await stage.database.manager.findOneByOrFail(SigningKey, { id: key.id });
    const publicKey = await importJWK(row.publicJwk, 'EdDSA');
    const spki = publicKey instanceof Uint8Array ? '' : await exportSPKI(publicKey);
    const secrets = [spki, spki.trim(), JSON.stringify(row.publicJwk), Buffer.from(row.publicJwk.x ?? '', 'base64url')];
    for (const secret of secrets) {
      const signed = `${encode({ ...goodHeader(), alg: 'HS256' })}.${encode(goodPayload())}`;
      expect(await outcome(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`)).toBe(
        'refused',
      );
    }
  });

  it('refuses a key that the token brings along, or points to', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const { exportJWK } = await import('jose');
    const jwk = await exportJWK(publicKey);
    for (const header of [{ jwk }, { jku: 'https://evil.example/jwks' }, { x5u: 'https://evil.example/cert' }]) {
      expect(
        await outcome(
          await new SignJWT(goodPayload()).setProtectedHeader({ ...goodHeader(), ...header }).sign(privateKey),
        ),
      ).toBe('refused');
    }
  });

  it('refuses what was changed, cut or is no token at all', async () => {
    const good = await forged();
    const [header, , signature] = good.split('.');
    expect(await outcome(`${header}.${encode({ ...goodPayload(), sub: randomUUID() })}.${signature}`)).toBe('refused');
    expect(await outcome(good.slice(0, -2))).toBe('refused');
    for (const token of ['', 'a', 'a.b', '..', `${good}.x`, good.replace('.', '..'), 'x'.repeat(10_000)])
      expect(await outcome(token)).toBe('refused');
  });

  it('judges times by the one clock', async () => {
    const token = (await stage.accessTokens.issue(person)).reveal();
    stage.clock.offsetMs = 599_000;
    await expect(verify(token)).resolves.toBeDefined();
    stage.clock.offsetMs = 602_000;
    expect(await outcome(token)).toBe('refused');
    stage.clock.offsetMs = -5_000;
    expect(await outcome(token)).toBe('refused'); // from the future
    stage.clock.offsetMs = 7 * 86_400_000;
    await expect(verify((await stage.accessTokens.issue(person)).reveal())).resolves.toBeDefined();
  });

  it('refuses what is not valid yet, and what would be valid for longer than we give', async () => {
    expect(await outcome(await forged({ nbf: now() + 60 }))).toBe('refused');
    expect(await outcome(await forged({ iat: now() + 60, exp: now() + 600 }))).toBe('refused');
    expect(await outcome(await forged({ iat: now() - 3_600, exp: now() + 3_600 }))).toBe('refused');
  });

  it('does not take the tokens of another Curfew that has the same key', async () => {
    const other = new AccessTokens(stage.keys, stage.clock, randomUUID());
    expect(await outcome((await other.issue(person)).reveal())).toBe('refused');
  });

  it('does not call it a refusal when the database is away', async () => {
    const away = new SigningKeys(
      { manager: { find: () => Promise.reject(new Error('connection lost')) } } as never,
      stage.sealer,
      stage.clock,
    );
    const tokens = new AccessTokens(away, stage.clock, stage.installation);
    await expect(tokens.verify(new Secret(await forged()))).rejects.toThrow('connection lost');
  });
});

describe('SigningKeys', () => {
  let stage: IdentityStage;
  beforeAll(async () => void (stage = await anIdentityStage()));
  afterAll(() => stage.close());

  it('makes one key between processes that start at once, and keeps it sealed', async () => {
    const gate = Promise.withResolvers<void>();
    class SlowSealer extends Sealer {
      async seal(value: Secret<string>, context: string) {
        await gate.promise;
        return stage.sealer.seal(value, context);
      }
      open = (sealed: Buffer, context: string) => stage.sealer.open(sealed, context);
    }
    const ids = Array.from({ length: 3 }, async () => {
      const keys = new SigningKeys(stage.database, new SlowSealer(), stage.clock);
      return (await keys.signing()).id;
    });
    // One is making it, and the others wait for that one.
    await expect
      .poll(() =>
        stage.asOwner(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`),
      )
      .toHaveLength(2);
    gate.resolve();
    expect(new Set(await Promise.all(ids)).size).toBe(1);
    const [row] = await stage.asOwner<{ private_sealed: Buffer; public_jwk: object }>('SELECT * FROM signing_keys');
    expect(row?.private_sealed.includes('"d"')).toBe(false);
    expect(Object.keys(row?.public_jwk ?? {})).not.toContain('d');
  });

  it('finds a key that another process made, and looks for unknown ones no more than every 10 s', async () => {
    const keys = new SigningKeys(stage.database, stage.sealer, stage.clock);
    expect(await keys.verifying((await keys.signing()).id)).toBeDefined();
    const id = randomUUID();
    await stage.asOwner(`INSERT INTO signing_keys SELECT $1, algorithm, public_jwk, private_sealed FROM signing_keys`, [
      id,
    ]);
    expect(await keys.verifying(id)).toBeUndefined();
    stage.clock.offsetMs = 10_000;
    expect(await keys.verifying(id)).toBeDefined();
    await stage.asOwner('DELETE FROM signing_keys WHERE id = $1', [id]);
  });
});
