import { randomBytes } from 'node:crypto';

const PASSWORD_BYTES = 32;

/** 256 random bits in ASCII letters, so that SASLprep (RFC 4013) leaves them as they are. They need no stretching. */
export function randomPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url');
}
