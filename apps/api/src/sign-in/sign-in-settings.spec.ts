import { describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { apiEnvironment, readEnvironment } from '@app/platform';
import type { EmbeddedProvider } from '../demo/embedded-provider';
import { signInSettings, wantsEmbeddedProvider } from './sign-in-settings';

const environment = (source: Record<string, string> = {}) =>
  readEnvironment(apiEnvironment, {
    CURFEW_ENV: 'development',
    DATABASE_URL: 'postgres://localhost/curfew',
    PUBLIC_URL: 'http://127.0.0.1:7420',
    SEALING_KEY_FILE: 'key',
    ...source,
  });
const embedded = (issuer: string) =>
  ({ issuer, clientId: 'curfew', clientSecret: new Secret('s'), provider: {} }) as unknown as EmbeddedProvider;

describe('the settings of the sign-in', () => {
  it('name the provider that people sign in with', () => {
    const settings = environment({
      OIDC_ISSUER: 'https://id.example/tenant',
      OIDC_CLIENT_SECRET: 's3cret',
      OIDC_CONNECTION: 'corp',
      OIDC_GROUP_CLAIM: 'groups',
    });
    expect(signInSettings(settings, undefined)).toEqual({
      connection: { name: 'corp', issuer: 'https://id.example/tenant', clientId: 'curfew', groupClaim: 'groups' },
      client: { clientSecret: expect.any(Secret), scope: 'openid profile email' },
    });
  });

  it('call the embedded provider "embedded", whatever its port', () => {
    for (const issuer of ['http://127.0.0.1:7420/oidc', 'http://localhost:1/oidc', 'https://demo.example/oidc'])
      expect(signInSettings(environment({ CURFEW_DEMO: '1' }), embedded(issuer)).connection).toMatchObject({
        name: 'embedded',
        issuer,
      });
  });

  it('bring the embedded provider only where it was asked for and no other is named', () => {
    expect(wantsEmbeddedProvider(environment())).toBe(false);
    expect(wantsEmbeddedProvider(environment({ CURFEW_DEMO: '1' }))).toBe(true);
    expect(wantsEmbeddedProvider(environment({ CURFEW_DEMO: '1', OIDC_ISSUER: 'https://id.example' }))).toBe(false);
  });

  it('refuse the demo in production, named provider or not', () => {
    for (const more of [{}, { OIDC_ISSUER: 'https://id.example' }])
      expect(() => wantsEmbeddedProvider(environment({ CURFEW_ENV: 'production', CURFEW_DEMO: '1', ...more }))).toThrow(
        'refuses the demo',
      );
  });

  it('are refused without any provider, with the two ways out', () => {
    expect(() => signInSettings(environment(), undefined)).toThrow(
      expect.objectContaining({ advice: expect.stringMatching(/OIDC_ISSUER.*CURFEW_DEMO=1/) }) as Error,
    );
  });

  it.each(['http://id.example', 'http://127.0.0.1.evil.example', 'http://10.0.0.1', 'ftp://localhost'])(
    'are refused with %s: clear text over a network',
    (issuer) => {
      expect(() => signInSettings(environment({ OIDC_ISSUER: issuer }), undefined)).toThrow('not reached by TLS');
    },
  );

  it.each(['https://id.example', 'http://localhost:8080', 'http://127.0.0.1:1/oidc', 'http://[::1]:9'])(
    'are taken with %s',
    (issuer) => {
      expect(signInSettings(environment({ OIDC_ISSUER: issuer }), undefined).connection.issuer).toBe(issuer);
    },
  );
});
