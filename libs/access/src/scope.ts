import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** Everything that a decision agrees to. What is not in here may change without asking anybody again. */
export interface Scope {
  readonly identityId: string;
  readonly durationSeconds: number;
  /** The digest of the reason, as committed to the record. */
  readonly reasonCommitment: Buffer;
  readonly entitlements: readonly ScopeEntitlement[];
}

export interface ScopeEntitlement {
  readonly id: string;
  /** `<target>/<entitlement>` */
  readonly name: string;
  /** The entitlement's own configuration: database, group role, … */
  readonly config: unknown;
  /** The target's configuration: kind, owner, where it is. */
  readonly targetHash: Buffer;
}

/** SHA-256 over the RFC 8785 form: the decision names it, and it is computed again from the live rows before anything runs. */
export function scopeHash(scope: Scope): Buffer {
  return digest({
    identity: scope.identityId,
    durationSeconds: scope.durationSeconds,
    reason: scope.reasonCommitment.toString('hex'),
    entitlements: scope.entitlements.map((entitlement) => ({
      id: entitlement.id,
      name: entitlement.name,
      config: entitlement.config,
      target: entitlement.targetHash.toString('hex'),
    })),
  });
}

/** SHA-256 over the RFC 8785 form of any JSON value. */
export function digest(value: unknown): Buffer {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('only a JSON value has a digest');
  return createHash('sha256').update(text, 'utf8').digest();
}
