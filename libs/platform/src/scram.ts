import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { Secret } from '@app/kernel';

/** What drivers may insist on (RFC 7677 §4), and PostgreSQL's own default. */
const ITERATIONS = 4_096;
const SALT_BYTES = 16;

/**
 * A SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5802 §3, RFC 7677): a password given to `CREATE ROLE` in this form
 * is in no server log. The password must be ASCII, as the ones we make are: SASLprep leaves those alone.
 */
export async function scramVerifier(password: Secret<string>, salt = randomBytes(SALT_BYTES)): Promise<string> {
  if (!/^[\x21-\x7e]+$/.test(password.reveal())) throw new TypeError('a password for a verifier is printable ASCII');
  const salted = await promisify(pbkdf2)(password.reveal(), salt, ITERATIONS, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored}:${hmac('Server Key').toString('base64')}`;
}
