import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/** What the server itself would use: drivers may insist on it. A password of 256 random bits needs no stretching. */
const ITERATIONS = 4_096;
const SALT_BYTES = 16;
const PASSWORD_BYTES = 32;

/** 256 random bits in ASCII letters, so that SASLprep (RFC 4013) leaves them as they are. */
export function randomPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url');
}

/**
 * What PostgreSQL stores instead of a password, and takes in `CREATE ROLE … PASSWORD`: the password itself is in no
 * statement, and so in no log of the server.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-3, https://www.postgresql.org/docs/current/catalog-pg-authid.html
 */
export async function scramVerifier(password: string, salt = randomBytes(SALT_BYTES)): Promise<string> {
  const salted = await promisify(pbkdf2)(password, salt, ITERATIONS, 32, 'sha256');
  const key = (label: string): Buffer => createHmac('sha256', salted).update(label).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}
