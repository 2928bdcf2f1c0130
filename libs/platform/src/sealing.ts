import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { AppError, Secret } from '@app/kernel';

const FORMAT = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

export class SealBroken extends AppError {
  constructor(cause?: unknown) {
    super({
      kind: 'internal',
      code: 'sealing.broken',
      message: 'a sealed value does not open',
      advice: 'The key file is not the one this value was sealed with, or the value was changed.',
      cause,
    });
  }
}

export class KeyFileInvalid extends AppError {
  constructor(problem: string, file: string, cause?: unknown) {
    super({
      kind: 'invalid',
      code: 'sealing.key_file_invalid',
      message: `the key file ${problem}`,
      advice: 'Write 32 random bytes in base64 (`openssl rand -base64 32`) into a file of mode 0600.',
      details: { file },
      cause,
    });
  }
}

/**
 * Keeps values at rest: AES-256-GCM under a data key per value, wrapped by a key-encryption key.
 *
 * - what is sealed opens with the same context only: a value cannot be moved to another row
 * - sealing the same value twice gives different bytes
 * - anything that was changed does not open
 */
export abstract class Sealer {
  /** @param context where the value lives, `<table>.<column>:<id>` */
  abstract seal(value: Secret<string>, context: string): Promise<Buffer>;
  /** @throws SealBroken */
  abstract open(sealed: Buffer, context: string): Promise<Secret<string>>;
}

/** The default: the key-encryption key in a file that only the process' user can read. */
export class LocalKeySealer extends Sealer {
  readonly #key: Secret<Buffer>;

  constructor(key: Secret<Buffer>) {
    super();
    this.#key = key;
  }

  /** @throws KeyFileInvalid when the file is absent, open to others, or not a key */
  static fromFile(file: string): LocalKeySealer {
    return new LocalKeySealer(readKeyFile(file));
  }

  seal(value: Secret<string>, context: string): Promise<Buffer> {
    const dataKey = randomBytes(KEY_BYTES);
    const wrapped = encrypt(this.#key.reveal(), dataKey, `key:${context}`);
    const body = encrypt(dataKey, Buffer.from(value.reveal(), 'utf8'), context);
    return Promise.resolve(Buffer.concat([Buffer.from([FORMAT]), wrapped, body]));
  }

  async open(sealed: Buffer, context: string): Promise<Secret<string>> {
    try {
      if (sealed[0] !== FORMAT) throw new Error('unknown format');
      const dataKey = decrypt(this.#key.reveal(), sealed.subarray(1, 1 + WRAPPED_BYTES), `key:${context}`);
      return new Secret(decrypt(dataKey, sealed.subarray(1 + WRAPPED_BYTES), context).toString('utf8'));
    } catch (error) {
      throw new SealBroken(error);
    }
  }
}

function encrypt(key: Buffer, plain: Buffer, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context, 'utf8'));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, context: string): Buffer {
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(context, 'utf8'))
    .setAuthTag(sealed.subarray(tagAt));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, tagAt)), decipher.final()]);
}

function readKeyFile(file: string): Secret<Buffer> {
  let text: string;
  try {
    // Its group may read it: that is how a platform mounts a secret for a process that is not its owner.
    if (statSync(file).mode & 0o037) throw new KeyFileInvalid('may be read by others', file);
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw error instanceof AppError ? error : new KeyFileInvalid('cannot be read', file, error);
  }
  const key = Buffer.from(text, 'base64');
  if (key.length !== KEY_BYTES || key.toString('base64') !== text) throw new KeyFileInvalid('is not a key', file);
  return new Secret(key);
}
