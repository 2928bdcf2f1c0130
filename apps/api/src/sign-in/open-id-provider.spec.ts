import { createHmac, randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { exportSPKI, generateKeyPair, importJWK, type CryptoKey, type JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection, Redemption } from '@app/identity';
import { AppError, Secret } from '@app/kernel';
import { describeError } from '@app/platform';
import { Browser } from '../../../../scripts/demo/browser';
import { TestClock } from '../../../../test/support/identity';
import { CLIENT, ForgingIssuer, LoopbackServer, realProvider } from '../../../../test/support/open-id-issuer';
import type { KeyCacheOptions } from './id-tokens';
import { OpenIdProvider } from './open-id-provider';

const clock = new TestClock();
beforeEach(() => void (clock.offsetMs = 0));

function connectTo(issuer: string, options: { keyCache?: KeyCacheOptions; secret?: string | undefined } = {}) {
  const connection: Connection = {
    id: randomUUID(),
    name: 'corp',
    issuer,
    clientId: CLIENT.id,
    groupClaim: 'groups',
    createdAt: new Date(0),
    updatedAt: new Date(0),
  };
  const secret = 'secret' in options ? options.secret : CLIENT.secret;
  const clientSecret = secret === undefined ? undefined : new Secret(secret);
  return new OpenIdProvider(connection, { clientSecret, scope: 'openid profile' }, clock, options.keyCache);
}

const codeOf = (redemption: Redemption): string =>
  redemption.outcome === 'unproven' ? redemption.error.code : redemption.outcome;

describe('a real provider', () => {
  const server = new LoopbackServer();
  beforeAll(async () => {
    // The provider warns about its own development pages.
    vi.spyOn(console, 'warn').mockReturnValue();
    vi.spyOn(console, 'info').mockReturnValue();
    await server.start();
    server.handler = await realProvider(server.url);
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await server.stop();
  });

  /** Through the provider's own pages: the code, its confirmation, the name, the consent. */
  async function approve(address: string, login: string): Promise<void> {
    const browser = new Browser();
    const confirm = await browser.submit(await browser.open(address));
    const signIn = await browser.submit(confirm);
    const consent = await browser.submit(signIn, { login, password: 'any' });
    const done = await browser.submit(consent);
    expect(done.html).toContain('Sign-in Success');
  }

  it('proves who somebody is, when they signed in, and what their groups are', async () => {
    const provider = connectTo(server.url);
    const device = await provider.begin({ maxAgeSeconds: 3_600 });
    expect(await provider.redeem(device.deviceCode)).toEqual({ outcome: 'pending' });
    await approve(device.verificationUriComplete ?? '', 'ada');
    const redemption = await provider.redeem(device.deviceCode);
    expect(redemption).toMatchObject({
      outcome: 'proven',
      proof: { subject: 'ada', claims: { name: 'ada at a real provider', groups: ['platform'] } },
    });
    const at = redemption.outcome === 'proven' ? redemption.proof.authenticatedAt.getTime() : 0;
    expect(Math.abs(at - clock.milliseconds())).toBeLessThan(5_000);
    expect(await provider.redeem(device.deviceCode)).toEqual({ outcome: 'lapsed' });
  });

  it('goes on when the provider changes its keys while we run', async () => {
    const provider = connectTo(server.url, { keyCache: { maxAgeSeconds: 600, cooldownSeconds: 0 } });
    for (const person of ['ada', 'ben']) {
      const device = await provider.begin({ maxAgeSeconds: 3_600 });
      await approve(device.verificationUriComplete ?? '', person);
      expect(await provider.redeem(device.deviceCode)).toMatchObject({ outcome: 'proven', proof: { subject: person } });
      server.handler = await realProvider(server.url);
    }
  });

  it('is unavailable while it is away, and is found again when it comes back', async () => {
    const provider = connectTo(server.url);
    await server.stop();
    await expect(provider.begin({ maxAgeSeconds: 0 })).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'identity.provider_unavailable',
    });
    await server.start();
    const device = await provider.begin({ maxAgeSeconds: 0 });
    await server.stop();
    await expect(provider.redeem(device.deviceCode)).rejects.toMatchObject({ kind: 'unavailable' });
    await server.start();
    expect(await provider.redeem(device.deviceCode)).toEqual({ outcome: 'pending' });
  });

  it('is asked with a secret, and says when it is the wrong one', async () => {
    for (const secret of ['wrong', undefined]) {
      await expect(connectTo(server.url, { secret }).begin({ maxAgeSeconds: 0 })).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'identity.provider_refuses_client',
      });
    }
  });
});

describe('a provider that errs, or somebody in its place', () => {
  let issuer: ForgingIssuer;
  let provider: OpenIdProvider;
  beforeEach(async () => {
    issuer = await new ForgingIssuer().start();
    provider = connectTo(issuer.server.url);
  });
  afterEach(() => issuer.server.stop());

  const redeem = () => provider.redeem(new Secret('the device code'));
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = () => Math.floor(clock.milliseconds() / 1_000);
  const REFUSED = 'identity.proof_not_accepted';

  it('is believed when everything is right', async () => {
    issuer.says(await issuer.idToken({ name: 'Ada' }));
    expect(await redeem()).toMatchObject({ outcome: 'proven', proof: { subject: 'ada', claims: { name: 'Ada' } } });
    issuer.says(await issuer.idToken({ aud: [CLIENT.id, 'other'], azp: CLIENT.id }));
    expect(codeOf(await redeem())).toBe('proven');
  });

  it.each([
    ['another issuer', { iss: 'https://evil.example' }],
    ['another audience', { aud: 'somebody-else' }],
    ['several audiences and another party', { aud: [CLIENT.id, 'other'], azp: 'other' }],
    ['no subject', { sub: undefined }],
    ['a subject that is no text', { sub: 7 }],
    ['no expiry', { exp: undefined }],
    ['no time of issue', { iat: undefined }],
    ['an auth_time that is no time', { auth_time: 'yesterday' }],
  ])('is not believed with %s', async (_, payload) => {
    issuer.says(await issuer.idToken(payload as JWTPayload));
    expect(codeOf(await redeem())).toBe(REFUSED);
  });

  it('is not believed without auth_time, and the operator is told what to do', async () => {
    issuer.says(await issuer.idToken({ auth_time: undefined }));
    expect(codeOf(await redeem())).toBe('identity.auth_time_missing');
  });

  it('is not believed before or after its time, judged by the one clock and not by the process', async () => {
    const token = async (seconds: number, payload: JWTPayload = {}) => {
      const at = now() + seconds;
      issuer.says(await issuer.idToken({ iat: at, exp: at + 300, auth_time: at, ...payload }));
      return codeOf(await redeem());
    };
    expect(await token(-400)).toBe(REFUSED);
    expect(await token(120)).toBe(REFUSED);
    expect(await token(0, { nbf: now() + 120 })).toBe(REFUSED);
    expect(await token(0, { auth_time: now() + 120 })).toBe(REFUSED);
    expect(await token(-3_600, { exp: now() + 3_600 })).toBe(REFUSED);
    expect(await token(20)).toBe('proven'); // its clock is not ours
    clock.offsetMs = 30 * 86_400_000;
    expect(await token(0)).toBe('proven');
    expect(await token(-30 * 86_400)).toBe(REFUSED);
    clock.offsetMs = -30 * 86_400_000;
    expect(await token(0)).toBe('proven');
    expect(await token(30 * 86_400)).toBe(REFUSED);
  });

  it('is not believed without a signature, or with one that our own secret or its public key could make', async () => {
    const [, payload = ''] = (await issuer.idToken()).split('.');
    for (const alg of ['none', 'None']) {
      issuer.says(`${encode({ alg })}.${payload}.`);
      expect(codeOf(await redeem())).toBe(REFUSED);
    }
    const spki = await exportSPKI((await importJWK(issuer.keys[0]!, 'ES256')) as CryptoKey);
    for (const secret of [CLIENT.secret, spki, JSON.stringify(issuer.keys[0])]) {
      const signed = `${encode({ alg: 'HS256', kid: issuer.keys[0]?.kid })}.${payload}`;
      issuer.says(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`);
      expect(codeOf(await redeem())).toBe(REFUSED);
    }
  });

  it('is not believed with the signature of another key, whatever name it bears or brings along', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    issuer.says(await issuer.idToken({}, {}, privateKey));
    expect(codeOf(await redeem())).toBe(REFUSED);
    for (const kid of [randomUUID(), '../jwks', '__proto__']) {
      issuer.says(await issuer.idToken({}, { kid }, privateKey));
      expect(codeOf(await redeem())).toBe(REFUSED);
    }
    const { exportJWK } = await import('jose');
    issuer.says(await issuer.idToken({}, { jwk: await exportJWK(publicKey) }, privateKey));
    expect(codeOf(await redeem())).toBe(REFUSED);
  });

  it.each([undefined, '', 'a.b.c', 'not a token'])('is not believed with %j for a token', async (token) => {
    issuer.says(token);
    expect(codeOf(await redeem())).toBe(REFUSED);
  });

  it('has its keys fetched once, again when one is unknown, and not at the pace of somebody who makes names up', async () => {
    const fetched = () => issuer.asked.filter((path) => path === '/jwks').length;
    issuer.says(await issuer.idToken());
    for (let time = 0; time < 3; time += 1) expect(codeOf(await redeem())).toBe('proven');
    expect(fetched()).toBe(1);
    for (let time = 0; time < 5; time += 1) {
      issuer.says(await issuer.idToken({}, { kid: randomUUID() }));
      expect(codeOf(await redeem())).toBe(REFUSED);
    }
    expect(fetched()).toBe(1);

    provider = connectTo(issuer.server.url, { keyCache: { maxAgeSeconds: 600, cooldownSeconds: 0 } });
    issuer.says(await issuer.idToken());
    expect(codeOf(await redeem())).toBe('proven');
    await issuer.rotate();
    issuer.says(await issuer.idToken());
    expect(codeOf(await redeem())).toBe('proven');
    expect(fetched()).toBe(3);

    provider = connectTo(issuer.server.url, { keyCache: { maxAgeSeconds: 0, cooldownSeconds: 0 } });
    for (let time = 0; time < 3; time += 1) expect(codeOf(await redeem())).toBe('proven');
    expect(fetched()).toBe(6);
  });

  it('has its keys fetched again after ten minutes: what it has withdrawn is not believed for longer', async () => {
    const fetched = () => issuer.asked.filter((path) => path === '/jwks').length;
    const withdrawn = await issuer.idToken();
    issuer.says(withdrawn);
    expect(codeOf(await redeem())).toBe('proven');
    await issuer.rotate();
    const minutesLater = async (minutes: number) => {
      // The age of the cache is counted on the process' clock, that of the token on ours.
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * 60_000 });
      return codeOf(await redeem().finally(() => vi.useRealTimers()));
    };
    expect(await minutesLater(9)).toBe('proven');
    expect(fetched()).toBe(1);
    expect(await minutesLater(11)).toBe(REFUSED);
    expect(fetched()).toBe(2);
  });

  it('is unavailable when its keys are, and the proof is not believed meanwhile', async () => {
    issuer.says(await issuer.idToken());
    issuer.metadata = { jwks_uri: `${issuer.server.url}/nothing-here` };
    expect(codeOf(await redeem())).toBe('identity.provider_unavailable');
    issuer.metadata = { jwks_uri: undefined };
    provider = connectTo(issuer.server.url);
    expect(codeOf(await redeem())).toBe('identity.provider_unavailable');
  });

  it('is discovered once for all who ask at the same time', async () => {
    await Promise.all(Array.from({ length: 5 }, () => provider.begin({ maxAgeSeconds: 0 })));
    expect(issuer.asked.filter((path) => path.startsWith('/.well-known'))).toHaveLength(1);
  });

  it('is refused when it speaks for another issuer', async () => {
    issuer.metadata = { issuer: 'https://id.example' };
    await expect(provider.begin({ maxAgeSeconds: 0 })).rejects.toMatchObject({ code: 'identity.provider_unavailable' });
  });

  it('is told from one that does not offer the device flow', async () => {
    issuer.metadata = { device_authorization_endpoint: undefined };
    await expect(provider.begin({ maxAgeSeconds: 0 })).rejects.toMatchObject({
      code: 'identity.provider_refuses_client',
    });
  });

  it.each([
    ['authorization_pending', 'pending'],
    ['slow_down', 'slow_down'],
    ['access_denied', 'refused'],
    ['expired_token', 'lapsed'],
    ['invalid_grant', 'lapsed'],
  ])('says %s, and means %s', async (error, outcome) => {
    issuer.fails(error);
    expect(await redeem()).toEqual({ outcome });
  });

  it.each([
    ['temporarily_unavailable', 400, 'identity.provider_unavailable'],
    ['server_error', 500, 'identity.provider_unavailable'],
    ['unauthorized_client', 400, 'identity.provider_refuses_client'],
    ['invalid_client', 401, 'identity.provider_refuses_client'],
    ['text with spaces and \u0007', 400, 'identity.provider_unavailable'],
  ])('says %j with %i, and nothing is over', async (error, status, code) => {
    issuer.fails(error, status);
    await expect(redeem()).rejects.toMatchObject({ kind: 'unavailable', code });
    issuer.fails(error, status, { 'www-authenticate': 'Basic realm="x"' });
    await expect(redeem()).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it.each([
    ['a redirect', { status: 302, body: {}, headers: { location: '/elsewhere' } }],
    ['a page', { status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }],
    ['a bad gateway', { status: 502, body: 'away' }],
    ['an answer without end', { status: 200, body: 'x'.repeat(2_000_000) }],
  ])('answers with %s, and is not followed', async (_, answer) => {
    issuer.token = () => answer;
    const redemption = await redeem().then(codeOf, (error: unknown) => (error as AppError).code);
    expect(['identity.provider_unavailable', REFUSED]).toContain(redemption);
    expect(issuer.asked).not.toContain('/elsewhere');
  });

  it('does not keep us waiting', async () => {
    const never = Promise.withResolvers<{ status: number; body: unknown }>();
    await provider.begin({ maxAgeSeconds: 0 });
    issuer.token = () => never.promise;
    const startedAt = performance.now();
    await expect(redeem()).rejects.toMatchObject({ code: 'identity.provider_unavailable' });
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    never.resolve({ status: 500, body: {} });
  });

  it.each([
    { verification_uri: 'javascript:alert(1)' },
    { verification_uri: 'http://id.example/device' },
    { verification_uri_complete: 'file:///etc/passwd' },
    { verification_uri: `https://id.example/${'x'.repeat(3_000)}` },
    { user_code: '\u001b[2J' },
    { user_code: 'x'.repeat(100) },
    { expires_in: 'soon' },
    { device_code: '' },
  ])('sends nobody anywhere unsafe: %j', async (device) => {
    issuer.device = device;
    await expect(provider.begin({ maxAgeSeconds: 0 })).rejects.toMatchObject({ code: 'identity.provider_unavailable' });
  });

  it('is never reached in clear text over a network, whatever it says about itself', async () => {
    const remote = connectTo('http://id.example');
    await expect(remote.begin({ maxAgeSeconds: 0 })).rejects.toMatchObject({ code: 'identity.provider_unavailable' });
    issuer.metadata = { token_endpoint: 'http://id.example/token' };
    await expect(redeem()).rejects.toMatchObject({ code: 'identity.provider_unavailable' });
  });

  it('sends the secret the way the provider takes it', async () => {
    await redeem();
    expect(issuer.authorizations.at(-1)).toMatch(/^Basic /);
    issuer.metadata = { token_endpoint_auth_methods_supported: ['client_secret_post'] };
    provider = connectTo(issuer.server.url);
    await redeem();
    expect(issuer.authorizations.at(-1)).toBeUndefined();
  });

  it('has no token, code or secret in any error', async () => {
    const token = await issuer.idToken({ iss: 'https://evil.example' });
    const seen: unknown[] = [];
    issuer.says(token);
    seen.push(await redeem());
    issuer.token = () => ({ status: 200, body: { id_token: token, access_token: 7 } });
    seen.push(await redeem().catch((error: unknown) => error));
    issuer.fails('invalid_client', 401, { 'www-authenticate': 'Basic realm="x"' });
    seen.push(await redeem().catch((error: unknown) => error));
    await issuer.server.stop();
    seen.push(await redeem().catch((error: unknown) => error));
    const all = inspect(seen, { depth: null, showHidden: true, maxStringLength: null });
    expect(all).toContain('identity.proof_not_accepted');
    expect(all).toContain('identity.provider_unavailable');
    for (const part of [...token.split('.').slice(1), 'the device code', CLIENT.secret])
      expect(all).not.toContain(part);
    expect(JSON.stringify(seen.map((one) => describeError(one)))).not.toContain(token);
  });
});
