import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { exportSPKI, generateKeyPair, importJWK, SignJWT, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SigningKey, SigningKeys } from '@app/identity';
import { Clock } from '@app/kernel';
import { Sealer } from '@app/platform';
import { anApiApp, type ApiApp } from '../../../../test/support/api-app';

type Changes = { readonly [Claim in keyof JWTPayload]?: unknown };
type Key = Awaited<ReturnType<SigningKeys['signing']>>;

/** Routes that read, change and hand over: the same door before each. */
const DOORS = [
  ['GET', '/v1/me'],
  ['GET', '/v1/requests'],
  ['POST', `/v1/grants/${randomUUID()}/credential`],
  ['POST', '/v1/policies/reload'],
] as const;

const REFUSED = DOORS.map(() => ({ status: 401, code: 'identity.access_token_refused' }));

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const read = (text: string): JWTPayload => JSON.parse(Buffer.from(text, 'base64url').toString()) as JWTPayload;

describe('a token that is not one of ours, at the door', () => {
  let api: ApiApp;
  let other: ApiApp;
  let key: Key;
  let good: { token: string; header: JWTHeaderParameters; payload: JWTPayload };

  beforeAll(async () => {
    [api, other] = await Promise.all([anApiApp(), anApiApp()]);
    const token = await api.tokenOf('root');
    const [header = '', payload = ''] = token.split('.');
    good = { token, header: read(header) as unknown as JWTHeaderParameters, payload: read(payload) };
    key = await new SigningKeys(api.database, api.app.get(Sealer), api.app.get(Clock)).signing();
  });
  afterAll(() => Promise.all([api?.close(), other?.close()]));

  const answersTo = (token: string) =>
    Promise.all(
      DOORS.map(async ([method, path]) => {
        const got = await api.send({ method, path, headers: { authorization: `Bearer ${token}` } });
        return { status: got.status, code: (JSON.parse(got.text) as { code?: string }).code };
      }),
    );
  /** Signed with our own key: only what is changed is wrong. */
  const signed = (payload: Changes, header: Partial<JWTHeaderParameters> = {}, by = key.key.reveal()) =>
    new SignJWT({ ...good.payload, ...payload } as JWTPayload)
      .setProtectedHeader({ ...good.header, ...header })
      .sign(by);
  const now = () => Math.floor(Date.now() / 1_000);

  it('opens to what this test changes, as long as it does not change it', async () => {
    const [me] = await answersTo(await signed({}));
    expect(me?.status).toBe(200);
  });

  it.each<[string, () => Changes]>([
    ['of another issuer about the same person', () => ({ iss: 'https://id.example' })],
    ['of another installation about the same person', () => ({ iss: `urn:curfew:${randomUUID()}` })],
    ['for another audience', () => ({ aud: 'curfew' })],
    ['for several audiences, none of them ours', () => ({ aud: ['curfew', 'curfew-worker'] })],
    ['that is over', () => ({ iat: now() - 900, exp: now() - 300 })],
    ['that is not valid yet', () => ({ nbf: now() + 300 })],
    ['from the future', () => ({ iat: now() + 300, exp: now() + 900 })],
    ['that would live for a day', () => ({ iat: now() - 3_600, exp: now() + 86_400 })],
    ['about a sign-in that never was', () => ({ sid: randomUUID() })],
    ['about somebody else’s sign-in', () => ({ sub: randomUUID() })],
    ['without an end', () => ({ exp: undefined })],
    ['without a beginning', () => ({ iat: undefined })],
    ['without a sign-in', () => ({ sid: undefined })],
    ['without an audience', () => ({ aud: undefined })],
    ['without an issuer', () => ({ iss: undefined })],
    ['without a subject', () => ({ sub: undefined })],
    ['with times that are text', () => ({ exp: '9999999999' })],
    ['with a time that is no number', () => ({ exp: null })],
  ])('refuses one %s', async (_, payload) => {
    expect(await answersTo(await signed(payload()))).toEqual(REFUSED);
  });

  it.each<[string, object]>([
    ['the type of an ID token', { typ: 'JWT' }],
    ['the type of a refresh token', { typ: 'rt+jwt' }],
    ['no type', { typ: undefined }],
    ['a path for a key', { kid: '../../../../dev/null' }],
    ['an address for a key', { kid: 'https://evil.example/key' }],
    ['a query for a key', { kid: `' UNION SELECT '{}' --` }],
    ['NUL in its key', { kid: '\0' }],
    ['an inherited name for a key', { kid: 'constructor' }],
    ['no key', { kid: undefined }],
    ['the key of nobody', { kid: randomUUID() }],
  ])('refuses one with %s', async (_, header) => {
    expect(await answersTo(await signed({}, header))).toEqual(REFUSED);
  });

  it('refuses one that is not signed, or by whom it brings along', async () => {
    for (const alg of ['none', 'None', 'nOnE'])
      for (const signature of ['', good.token.split('.')[2]])
        expect(await answersTo(`${part({ ...good.header, alg })}.${part(good.payload)}.${signature}`)).toEqual(REFUSED);
    const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    for (const header of [{}, { jku: 'https://evil.example/jwks' }, { x5u: 'https://evil.example/cert' }])
      expect(await answersTo(await signed({}, header, privateKey))).toEqual(REFUSED);
  });

  it('refuses one that takes our public key for a shared secret', async () => {
    const { publicJwk } = await api.database.manager.findOneByOrFail(SigningKey, { id: key.id });
    const publicKey = await importJWK(publicJwk, 'EdDSA');
    const pem = publicKey instanceof Uint8Array ? '' : await exportSPKI(publicKey);
    for (const secret of [pem, JSON.stringify(publicJwk), Buffer.from(publicJwk.x ?? '', 'base64url')]) {
      const text = `${part({ ...good.header, alg: 'HS256' })}.${part(good.payload)}`;
      expect(await answersTo(`${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`)).toEqual(
        REFUSED,
      );
    }
  });

  it('refuses the real one of another Curfew, a refresh token and the handle of a sign-in', async () => {
    expect(await answersTo(await other.tokenOf('root'))).toEqual(REFUSED);
    expect(await answersTo(randomBytes(32).toString('base64url'))).toEqual(REFUSED);
    expect(await answersTo(`${good.token}.${randomBytes(32).toString('base64url')}`)).toEqual(REFUSED);
  });

  it('takes it from the header alone, once and whole', async () => {
    const statuses: number[] = [];
    for (const [path, headers] of [
      [`/v1/me?access_token=${good.token}`, {}],
      ['/v1/me', { cookie: `access_token=${good.token}` }],
      ['/v1/me', { 'x-access-token': good.token }],
      ['/v1/me', { authorization: `Basic ${good.token}` }],
      ['/v1/me', { authorization: `Bearer ${good.token}, Bearer ${good.token}` }],
      ['/v1/me', { authorization: `Bearer ${good.token} x` }],
      ['/v1/me', { authorization: good.token }],
    ] as const)
      statuses.push((await api.send({ method: 'GET', path, headers })).status);
    expect(new Set(statuses)).toEqual(new Set([401]));
  });

  it('is not answered with what was wrong with it', async () => {
    const got = await api.send({
      method: 'GET',
      path: '/v1/me',
      headers: { authorization: `Bearer ${await signed({ aud: 'x' })}` },
    });
    const { requestId: _, ...said } = JSON.parse(got.text) as Record<string, unknown>;
    const plain = await api.send({ method: 'GET', path: '/v1/me' });
    const { requestId: __, ...plainly } = JSON.parse(plain.text) as Record<string, unknown>;
    expect(said).toEqual(plainly);
    expect(api.logged.join('\n')).not.toContain(good.token.split('.')[2]);
  });
});
