import { Injectable, SetMetadata } from '@nestjs/common';
import { Recorder, type Act } from '@app/audit';
import { AppError, failpoint, Secret } from '@app/kernel';
import { Operations, Sealer, type Transaction } from '@app/platform';
import { Bell, type Ring } from '@app/platform/queue';
import type { RequestContext } from './request-context';

class IdempotencyKeyReused extends AppError {
  constructor() {
    super({
      kind: 'conflict',
      code: 'http.idempotency_key_reused',
      message: 'this Idempotency-Key was used for something else',
      advice: 'Use a new key for each thing you do, and the same one only to repeat it.',
    });
  }
}

class IdempotencyKeyRefused extends AppError {
  constructor() {
    super({
      kind: 'invalid',
      code: 'http.idempotency_key_refused',
      message: 'this cannot be repeated, so it takes no Idempotency-Key',
      advice: 'Send it without one. When a reply was lost, ask for a replacement.',
    });
  }
}

const REPEATABLE = Symbol('repeatable');

/** This route takes an `Idempotency-Key`: its work is done in {@link Writes.run}. */
export const Repeatable = (): MethodDecorator => SetMetadata(REPEATABLE, true);

export const isRepeatable = (handler: object): boolean => Reflect.hasMetadata(REPEATABLE, handler);

/** How a write becomes one transaction: recorded, idempotent, and rung for when it is committed. */
@Injectable()
export class Writes {
  constructor(
    private readonly recorder: Recorder,
    private readonly sealer: Sealer,
    private readonly bell: Bell,
  ) {}

  /**
   * Runs the work once per idempotency key: the same key and body (in any order of its
   * members) give the same answer, to the letter. Of two at once the
   * second waits for the first.
   */
  async run<T>({ asker, act, idempotency }: RequestContext, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#rung(act, async (tx) => {
      const known = idempotency ? await this.#claim(tx, asker.identityId, idempotency) : undefined;
      if (known) return JSON.parse(known.reveal()) as T;
      const result = await work(tx);
      if (idempotency) await this.#keep(tx, asker.identityId, idempotency.key, result);
      return result;
    });
  }

  /** For what happens once and is never repeated: no answer is kept. @throws IdempotencyKeyRefused when a key is sent */
  async once<T>({ act, idempotency }: RequestContext, work: (tx: Transaction) => Promise<T>): Promise<T> {
    if (idempotency) throw new IdempotencyKeyRefused();
    return this.#rung(act, work);
  }

  async #rung<T>(act: Act, work: (tx: Transaction) => Promise<T>): Promise<T> {
    let rings: readonly Ring[] = [];
    const answer = await this.recorder.run(act, async (tx) => {
      const result = await work(tx);
      rings = Operations.requestedIn(tx);
      failpoint('write.written');
      return result;
    });
    failpoint('write.committed');
    await this.bell.ring(rings);
    failpoint('write.rung');
    return answer;
  }

  /** @returns the answer that was given before, if one was */
  async #claim(
    tx: Transaction,
    identityId: string,
    { key, requestHash }: { key: string; requestHash: Buffer },
  ): Promise<Secret<string> | undefined> {
    const claimed = await tx.query<unknown[]>(
      `INSERT INTO idempotency_keys (identity_id, key, request_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING key`,
      [identityId, key, requestHash],
    );
    if (claimed.length > 0) return undefined;
    const [before] = await tx.query<{ request_hash: Buffer; response_sealed: Buffer | null }[]>(
      'SELECT request_hash, response_sealed FROM idempotency_keys WHERE identity_id = $1 AND key = $2',
      [identityId, key],
    );
    if (!before?.response_sealed || !before.request_hash.equals(requestHash)) throw new IdempotencyKeyReused();
    return this.sealer.open(before.response_sealed, contextOf(identityId, key));
  }

  async #keep(tx: Transaction, identityId: string, key: string, result: unknown): Promise<void> {
    const sealed = await this.sealer.seal(new Secret(JSON.stringify(result ?? null)), contextOf(identityId, key));
    await tx.query('UPDATE idempotency_keys SET response_sealed = $3 WHERE identity_id = $1 AND key = $2', [
      identityId,
      key,
      sealed,
    ]);
  }
}

const contextOf = (identityId: string, key: string): string => `idempotency_keys.response_sealed:${identityId}/${key}`;
