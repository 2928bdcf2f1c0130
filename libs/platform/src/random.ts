import { randomBytes } from 'node:crypto';
import { Secret } from '@app/kernel';

/** 256 random bits in base64url: tokens and passwords that nobody types. */
export function randomToken(): Secret<string> {
  return new Secret(randomBytes(32).toString('base64url'));
}
