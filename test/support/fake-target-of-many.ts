import type { Ended, EndedMany, EndsMany, GrantRef, Proof, TargetAccess, ToProve } from '@app/providers';
import { objectName } from '@app/providers';
import { FakeTarget } from './fake-target';

/** A {@link FakeTarget} that ends many: each of them by the rules of the one. */
export class FakeTargetOfMany extends FakeTarget implements EndsMany {
  /** What something stands in the way of, by the grant's id: it is left out of endings together. */
  readonly inTheWay = new Set<string>();
  /** For more of them there is no time. */
  most = Infinity;

  async endMany(target: TargetAccess, grants: readonly GrantRef[]): Promise<EndedMany> {
    const ended = new Map<string, Ended>();
    for (const grant of grants.slice(0, this.most)) {
      if (this.inTheWay.has(grant.grantId) || this.systemOf(target).starts(objectName(grant)) > 0) continue;
      ended.set(grant.grantId, await this.end(target, grant));
    }
    return { ended, later: grants.slice(this.most).map(({ grantId }) => grantId) };
  }

  async proveMany(target: TargetAccess, grants: readonly ToProve[]): Promise<ReadonlyMap<string, Proof>> {
    const proofs = new Map<string, Proof>();
    for (const { grant, proofCopy } of grants) proofs.set(grant.grantId, await this.prove(target, grant, proofCopy));
    return proofs;
  }
}
