import type { Secret } from '@app/kernel';
import type { Credential, Ended, GrantRef, Proof, Provider, TargetAccess } from './provider';

/** A grant whose end is to be proven. */
export interface ToProve {
  readonly grant: GrantRef;
  /** What was handed over, when it is to be tried: it must be refused. */
  readonly proofCopy?: Secret<Credential>;
}

export interface EndedMany {
  /** By the grant's id, those that have ended. */
  readonly ended: ReadonlyMap<string, Ended>;
  /** The ids of those for which there was no time: they are to be ended together once more. */
  readonly later: readonly string[];
}

/**
 * An optional ability: ends and proves many grants on one target in a few round trips, so that a mass ending is bounded by
 * the target and not by us.
 *
 * Promises, each a contract test of the same wording:
 * - endMany: closes the doors, ends live sessions, removes what was made
 * - endMany: leaves out what something stands in the way of, and that can be ended by itself afterwards
 * - endMany: called twice, or after a crash at any step, it still ends
 * - endMany: does not touch what bears another grant's or another installation's name
 * - proveMany: says of each what prove says
 */
export interface EndsMany {
  /**
   * @param grants at least one, all of one installation
   * @returns what came of it. Who is in neither list may be shut already, and must be ended by {@link Provider.end}
   */
  endMany(target: TargetAccess, grants: readonly GrantRef[]): Promise<EndedMany>;
  /** @returns by the grant's id, of each what {@link Provider.prove} would say */
  proveMany(target: TargetAccess, grants: readonly ToProve[]): Promise<ReadonlyMap<string, Proof>>;
}

export function endsMany(provider: Provider): provider is Provider & EndsMany {
  return 'endMany' in provider && 'proveMany' in provider;
}
