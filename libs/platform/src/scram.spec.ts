import { describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { scramVerifier } from './scram';

describe('the SCRAM verifier', () => {
  it('is the one of RFC 7677 for its password, salt and iterations', async () => {
    // RFC 7677 §3: user "user", password "pencil", 4096 iterations. The stored key and the server key follow from its
    // proof and its server signature; these are what PostgreSQL itself computes.
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    expect(await scramVerifier(new Secret('pencil'), salt)).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });

  it('has a salt of its own each time, and hides the password', async () => {
    const password = 'a-password-of-ours';
    const [one, other] = await Promise.all([scramVerifier(new Secret(password)), scramVerifier(new Secret(password))]);
    expect(one).not.toBe(other);
    expect(one).not.toContain(password);
    expect(one).toMatch(/^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/);
  });

  it('refuses what SASLprep would change', async () => {
    await expect(scramVerifier(new Secret('pass wörd'))).rejects.toThrow('printable ASCII');
  });
});
