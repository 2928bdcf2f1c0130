import { createHash } from 'node:crypto';
import type { Secret } from '@app/kernel';

/** How a random secret of 256 bits is kept: SHA-256 is enough, there is nothing to guess. */
export function sha256(secret: Secret<string>): Buffer {
  return createHash('sha256').update(secret.reveal(), 'utf8').digest();
}
