import { describe, expect, it } from 'vitest';
import { randomPassword } from './password';

describe('the password of a grant', () => {
  it('has 256 random bits and needs no quoting anywhere', () => {
    const passwords = Array.from({ length: 100 }, randomPassword);
    expect(new Set(passwords).size).toBe(100);
    for (const password of passwords) expect(password).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });
});
