import { createHash, randomBytes } from 'node:crypto';
import { In, type EntityManager } from 'typeorm';
import { Secret } from '@app/kernel';
import { Sealer, type Transaction } from '@app/platform';
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

  /** What the commitments stand for, by their hex form. A value that was erased is absent. */
  async open(manager: EntityManager, commitments: readonly Buffer[]): Promise<ReadonlyMap<string, string>> {
    if (commitments.length === 0) return new Map();
    const rows = await manager.findBy(AuditValue, { commitment: In([...commitments]) });
    return new Map(
      await Promise.all(
        rows.map(async ({ commitment, sealed }) => {
          const content = (await this.sealer.open(sealed, context(commitment))).reveal();
          return [commitment.toString('hex'), content.slice(SALT_TEXT_LENGTH)] as const;
        }),
      ),
    );
  }
}

const SALT_TEXT_LENGTH = Buffer.alloc(SALT_BYTES).toString('base64').length;

const context = (commitment: Buffer): string => `audit_values.sealed:${commitment.toString('hex')}`;
