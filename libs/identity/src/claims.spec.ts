import { describe, expect, it } from 'vitest';
import { readClaims } from './claims';
import { SignInNotAccepted } from './index';

const read = (claims: Record<string, unknown>, groupClaim: string | null = 'groups', subject = 'ada') =>
  readClaims({ subject, authenticatedAt: new Date(0), claims }, groupClaim);

describe('claims of an ID token', () => {
  it('name a person by the first thing there is to read', () => {
    expect(read({ name: ' Ada\n\u202e Lovelace ' }).name).toBe('Ada Lovelace');
    expect(read({ name: '\u0007 ', preferred_username: 'ada.l' }).name).toBe('ada.l');
    expect(read({ name: 7, email: 'ada@example.com' }).name).toBe('ada@example.com');
    expect(read({}).name).toBe('ada');
    expect(Array.from(read({ name: '🦉'.repeat(500) }).name)).toHaveLength(200);
  });

  it('keep an address for excluding also where the provider says that nobody verified it', () => {
    for (const verified of [true, false, 'false', undefined])
      expect(read({ email: 'ada@example.com', email_verified: verified }).address).toBe('ada@example.com');
    for (const email of ['not an address', 7, undefined]) expect(read({ email }).address).toBeNull();
  });

  it('have an address only when it is one and the provider does not deny it', () => {
    expect(read({ email: 'ada@example.com' }).email).toBe('ada@example.com');
    for (const claims of [
      { email: 'ada@example.com', email_verified: false },
      { email: 'ada@example.com', email_verified: 'false' },
      { email: 'not an address' },
      { email: `${'a'.repeat(320)}@example.com` },
      { email: ['ada@example.com'] },
      {},
    ])
      expect(read(claims).email).toBeNull();
  });

  it('list groups only where a claim is agreed on', () => {
    expect(read({ groups: ['a', 'b', 'a'] }).groups).toEqual(['a', 'b']);
    expect(read({ groups: 'one' }).groups).toEqual(['one']);
    expect(read({ groups: ['a'] }, null).groups).toEqual([]);
    expect(read({}).groups).toEqual([]);
    expect(read({}, '__proto__').groups).toEqual([]);
  });

  it.each([
    [{ groups: ['a', 7] }],
    [{ groups: ['a', ''] }],
    [{ groups: ['x'.repeat(256)] }],
    [{ groups: ['a\nb'] }],
    [{ groups: { a: true } }],
    [{ groups: null }],
    [{ _claim_names: { groups: 'src1' } }],
    [{ groups: Array.from({ length: 1_001 }, (_, at) => `g${at}`) }],
  ])('are refused when the groups cannot be read as a whole', (claims) => {
    expect(() => read(claims)).toThrow(SignInNotAccepted);
  });

  it.each(['', 'x'.repeat(256), 'ädä', 'a\u0000b'])('are refused with a subject that is none: %j', (subject) => {
    expect(() => read({}, null, subject)).toThrow(SignInNotAccepted);
  });
});
