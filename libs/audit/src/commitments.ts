import { createHash, randomBytes } from 'node:crypto';
import { In, type EntityManager } from 'typeorm';
import { Secret } from '@app/kernel';
import { SealBroken, Sealer, type Transaction } from '@app/platform';
import { AuditValue } from './audit-value.entity';

const SALT_BYTES = 32;

/**
 * Personal data and free text in the record: a leaf holds SHA-256(32 random bytes ‖ value), salt and value lie sealed in
 * a side row. Destroying that row erases the value, and the proof stays.
 */
export class Commitments {
  constructor(private readonly sealer: Sealer) {}

  /** Commits to a value in the caller's transaction. Two commitments to one value differ. */
  async commit(tx: Transaction, value: Secret<string>): Promise<Buffer> {
    const salt = randomBytes(SALT_BYTES);
    const commitment = createHash('sha256').update(salt).update(value.reveal(), 'utf8').digest();
    const content = new Secret(salt.toString('base64') + value.reveal());
    await tx.insert(AuditValue, { commitment, sealed: await this.sealer.seal(content, context(commitment)) });
    return commitment;
  }

  /**
   * What the commitments stand for, by their hex form. A value that was erased is absent.
   *
   * @throws SealBroken when one was sealed under another key
   */
  async open(manager: EntityManager, commitments: readonly Buffer[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#rows(manager, commitments);
    return new Map(await Promise.all(rows.map((row) => this.#opened(row))));
  }

  /** The same for somebody who looks: what was sealed under a key that is lost is absent, and the rest is shown. */
  async show(manager: EntityManager, commitments: readonly Buffer[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#rows(manager, commitments);
    const shown = await Promise.all(rows.map((row) => this.#opened(row).catch(absentWhenBroken)));
    return new Map(shown.filter((entry) => entry !== undefined));
  }

  async #rows(manager: EntityManager, commitments: readonly Buffer[]): Promise<AuditValue[]> {
    return commitments.length === 0 ? [] : manager.findBy(AuditValue, { commitment: In([...commitments]) });
  }

  async #opened({ commitment, sealed }: AuditValue): Promise<readonly [string, string]> {
    const content = (await this.sealer.open(sealed, context(commitment))).reveal();
    return [commitment.toString('hex'), content.slice(SALT_TEXT_LENGTH)];
  }
}

function absentWhenBroken(error: unknown): undefined {
  if (!(error instanceof SealBroken)) throw error;
}

const SALT_TEXT_LENGTH = Buffer.alloc(SALT_BYTES).toString('base64').length;

const context = (commitment: Buffer): string => `audit_values.sealed:${commitment.toString('hex')}`;
