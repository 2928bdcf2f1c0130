import type { Secret } from '@app/kernel';
import type { ZodType } from 'zod';
import { MalformedGrant } from './provider.errors';

/** Whose grant: everything made at a target is named after both, so that it is found again without our database. */
export interface GrantRef {
  /** The first 8 characters of the installation's id: two Curfews on one target never touch each other's. */
  readonly installation: string;
  /** The grant's id, a UUID. */
  readonly grantId: string;
}

/** A connected system as its provider sees it: its configuration, and our own way in. */
export interface TargetAccess {
  /** Parsed by the provider's `connection` schema. */
  readonly connection: unknown;
  readonly password: Secret<string>;
}

/** One entitlement of a target, parsed by the provider's `entitlement` schema. */
export interface EntitlementConfig {
  readonly name: string;
  readonly config: unknown;
}

/**
 * Says that the caller still holds the lease on its work, and throws when it does not. A provider calls it after it has
 * opened its (named) connection and before it changes anything: whoever took the lease over cuts such connections first,
 * so that a worker which slept meanwhile finds that it cannot change anything any more.
 *
 * @param server what the target says it is, where it can: the caller throws when that is not where the grant was begun
 */
export type Fence = (server?: string) => Promise<void>;

export interface IssueOrder {
  readonly grant: GrantRef;
  readonly entitlement: EntitlementConfig;
  /** The deadline, on the database's clock. A target whose clock is off by a second or more is told it on its own. */
  readonly endsAt: Date;
  /** The database's time. */
  readonly now: () => Date;
  readonly fence: Fence;
}

/** What a grant hands over. Both members are what the holder may see, and nobody else. */
export interface Credential {
  /** Field name to value: `username`, `password`, `host`, … */
  readonly fields: Readonly<Record<string, string>>;
  /** The environment in which the target's usual client just works: `PGHOST`, `PGUSER`, … */
  readonly environment: Readonly<Record<string, string>>;
  /** What the client wants as a file: variable → content. Written for its owner only, the variable holds the path. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface Issued {
  readonly credential: Secret<Credential>;
  /** What was made and tested, for the record: names and times, never a secret. */
  readonly receipt: Readonly<Record<string, string>>;
}

/** Something that could not be tidied away. It has no power any more, and tidying is tried again. */
export interface Leftover {
  readonly what: string;
  readonly why: string;
}

export interface Ended {
  /** What was done, in order, in words for the record. Empty when there was nothing to end. */
  readonly steps: readonly string[];
  readonly leftovers: readonly Leftover[];
}

export interface ProofCheck {
  /** What was looked at or tried. */
  readonly check: string;
  /** `ended`: this shows the end; `alive`: this shows that it goes on; `unknown`: it tells nothing either way. */
  readonly verdict: 'ended' | 'alive' | 'unknown';
  /** What the target answered, in words for the record. */
  readonly answer: string;
}

export interface Proof {
  /** `ended` when nothing is alive and nothing that must be known is unknown. */
  readonly verdict: 'ended' | 'alive' | 'unknown';
  readonly checks: readonly ProofCheck[];
  /** What the target says it is, where it can: the same as `server` of the receipt, or this proves nothing about it. */
  readonly server?: string;
}

export interface Listed {
  /** The ids of the grants of this installation that have something on the target. */
  readonly grants: readonly string[];
  /** What the target says it is, where it can, as `server` of a proof: seen in the same moment. */
  readonly server?: string;
}

/** One finding of a target's check. */
export interface CheckFinding {
  /** `missing`: a right we need; `excess`: a right we should not have; `wrong`: anything else that must be mended; `notice`: good to know. */
  readonly kind: 'missing' | 'excess' | 'wrong' | 'notice';
  readonly message: string;
  /**
   * Statements that mend it. Those of a whole report, run by an administrator of the target as they are and in their order,
   * mend all that statements can mend, and lock nobody out.
   */
  readonly sql?: readonly string[];
  /** The database to run them in, where that matters. */
  readonly database?: string;
  /** What would mend it, in words: no statement does, or not alone. */
  readonly remedy?: string;
}

export interface CheckReport {
  /** No finding but notices. */
  readonly ok: boolean;
  /** The target's own version, when it could be read. */
  readonly version?: string;
  readonly findings: readonly CheckFinding[];
}

/** How a provider ends what it gave: shown to the approver before the decision. */
export interface EndingTraits {
  readonly enforcedBy: 'target' | 'curfew' | 'both';
  readonly endsLiveSessions: boolean;
  /** How long something issued may outlive the end, in seconds. */
  readonly outlivesBySeconds: number;
}

/**
 * The code that knows one kind of target.
 *
 * Each promise below has a contract test of the same wording (`describeProviderContract`):
 * - issue: called twice, it leaves one working credential
 * - issue: the credential works when it returns, and the target ends it at the deadline by itself where it can
 * - issue: called again with another deadline, only that one counts
 * - issue: the deadline is written on the target's clock
 * - issue: an answer that was long on its way moves no deadline
 * - issue: a target that lets in whoever has a wrong password is refused as invalid
 * - issue: nothing is made when the fence refuses
 * - issue: called again after a crash at any step, it leaves one working credential
 * - issue: cuts off an earlier start that sleeps after its fence, so that one working credential is left
 * - end: closes the door, ends live sessions, removes what was made
 * - end: needs only the grant; nothing to end is success
 * - end: called twice, or after a crash at any step, it still ends
 * - end: several at the same time end it too
 * - end: cuts off a start that sleeps after its fence, so that it makes nothing any more
 * - end: does not touch what bears another grant's or another installation's name
 * - prove: says ended only after the end
 * - prove: a refusal of ourselves, a timeout or a broken connection is unknown
 * - list: names every grant of this installation on the target, and no other
 * - list: names the server like receipts and proofs, where the target can say which it is
 * - check: says what is wrong instead of throwing
 * - a start and an end at the same time leave nothing, once the end is repeated
 * - errors are AppErrors of kind unavailable, forbidden or invalid; no secret is in any of them
 */
export abstract class Provider {
  /** The word in a target's file: `postgres`. */
  abstract readonly kind: string;
  abstract readonly ending: EndingTraits;
  /** How to reach the target, without secrets. Unknown keys are refused. */
  abstract readonly connection: ZodType;
  /** What an entitlement of such a target is. Unknown keys are refused. */
  abstract readonly entitlement: ZodType;

  abstract issue(target: TargetAccess, order: IssueOrder): Promise<Issued>;
  abstract end(target: TargetAccess, grant: GrantRef): Promise<Ended>;
  /** @param proofCopy what was handed over, when it is still held: it is tried, and must be refused */
  abstract prove(target: TargetAccess, grant: GrantRef, proofCopy?: Secret<Credential>): Promise<Proof>;
  abstract list(target: TargetAccess, installation: string): Promise<Listed>;
  /**
   * Is the connection right, and does our own account have what it needs and not more? What is wrong is a finding, that
   * the target does not answer too: nothing is thrown.
   *
   * @param now the database's time, against which the target's clock is judged
   */
  abstract check(target: TargetAccess, entitlements: readonly EntitlementConfig[], now?: Date): Promise<CheckReport>;
}

/**
 * `curfew-<8 characters of the installation's id>-<grant id>`: 52 bytes, below PostgreSQL's 63.
 *
 * @throws MalformedGrant for what {@link grantOfObject} would not read back: it would never be found again
 */
export function objectName(grant: GrantRef): string {
  const name = `curfew-${grant.installation}-${grant.grantId}`;
  if (grantOfObject(name)?.grantId !== grant.grantId) throw new MalformedGrant();
  return name;
}

const NAME = /^curfew-([0-9a-f]{8})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The inverse of {@link objectName}; `undefined` for a name that Curfew did not give. */
export function grantOfObject(name: string): GrantRef | undefined {
  const match = NAME.exec(name);
  return match?.[1] && match[2] ? { installation: match[1], grantId: match[2] } : undefined;
}
