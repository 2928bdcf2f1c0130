import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import type { DataSource } from 'typeorm';
import { Clock, Secret } from '@app/kernel';
import { Sealer, type Transaction } from '@app/platform';
import { SigningKey } from './signing-key.entity';

/** Any number, always the same: processes that start at once make one key between them. */
const LOCK = 4_729_534;

/** How often an unknown key may make us look for new rows, in milliseconds. */
const LOOK_AGAIN_AFTER_MS = 10_000;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface SecretKey {
  readonly id: string;
  readonly key: Secret<CryptoKey>;
}

/** The keys of Curfew's own tokens. The newest at the start signs, all verify; a key is looked up among our own rows and nowhere else. */
export class SigningKeys {
  #verifying: ReadonlyMap<string, CryptoKey> = new Map();
  #signing: Promise<SecretKey> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly database: DataSource,
    private readonly sealer: Sealer,
    private readonly clock: Clock,
  ) {}

  /** The key that signs; makes the first one when there is none. */
  async signing(): Promise<SecretKey> {
    this.#signing ??= this.#newest().catch((error: unknown) => {
      this.#signing = undefined;
      throw error;
    });
    return this.#signing;
  }

  /** The public key of this `kid`, if it is ours. */
  async verifying(kid: string | undefined): Promise<CryptoKey | undefined> {
    if (kid === undefined || !UUID.test(kid)) return undefined;
    const due = this.clock.milliseconds() - this.#lookedAtMs >= LOOK_AGAIN_AFTER_MS;
    if (!this.#verifying.has(kid) && due) await this.#load();
    return this.#verifying.get(kid);
  }

  async #make(tx: Transaction): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    const id = randomUUID();
    const secret = new Secret(JSON.stringify(await exportJWK(privateKey)));
    await tx.insert(SigningKey, {
      id,
      algorithm: 'EdDSA',
      publicJwk: { ...(await exportJWK(publicKey)) },
      privateSealed: await this.sealer.seal(secret, contextOf(id)),
    });
  }

  async #newest(): Promise<SecretKey> {
    await this.database.transaction(async (tx) => {
      await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      if (!(await tx.existsBy(SigningKey, {}))) await this.#make(tx);
    });
    const [newest] = await this.database.manager.find(SigningKey, {
      order: { createdAt: 'DESC', id: 'DESC' },
      take: 1,
    });
    if (!newest) throw new Error('there is no signing key');
    const secret = await this.sealer.open(newest.privateSealed, contextOf(newest.id));
    return { id: newest.id, key: new Secret(await imported(JSON.parse(secret.reveal()) as JWK)) };
  }

  async #load(): Promise<void> {
    const rows = await this.database.manager.find(SigningKey, { select: { id: true, publicJwk: true } });
    this.#verifying = new Map(
      await Promise.all(rows.map(async (row) => [row.id, await imported(row.publicJwk)] as const)),
    );
    this.#lookedAtMs = this.clock.milliseconds();
  }
}

async function imported(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'EdDSA');
  if (key instanceof Uint8Array) throw new Error('a signing key is not a key pair');
  return key;
}

const contextOf = (id: string): string => `signing_keys.private_sealed:${id}`;
