import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestClock } from '../../../../test/support/identity';
import { CLIENT, ForgingIssuer } from '../../../../test/support/open-id-issuer';
import { IdTokens } from './id-tokens';

/** What it must see by itself, also where the client library looks too. */
describe('IdTokens', () => {
  let issuer: ForgingIssuer;
  const tokens = new IdTokens(new TestClock(), { maxAgeSeconds: 600, cooldownSeconds: 10 });
  beforeAll(async () => void (issuer = await new ForgingIssuer().start()));
  afterAll(() => issuer.server.stop());

  const verify = async (payload = {}) => {
    const expected = { issuer: issuer.server.url, audience: CLIENT.id, keys: `${issuer.server.url}/jwks` };
    return tokens.verify(await issuer.idToken(payload), expected);
  };

  it('takes a token of the issuer, for us', async () => {
    expect(await verify()).toMatchObject({ subject: 'ada' });
  });

  it.each([
    { iss: 'https://evil.example' },
    { iss: undefined },
    { aud: 'other' },
    { aud: undefined },
    { sub: undefined },
  ])('takes none with %j', async (payload) => {
    expect(await verify(payload)).toMatchObject({ code: 'identity.proof_not_accepted' });
  });
});
