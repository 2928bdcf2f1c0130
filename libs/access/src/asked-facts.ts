import { IdentityUnknown, type Person } from '@app/identity';
import type { PolicySet } from '@app/policy';
import type { Offered } from './asked';
import { contextOf, entitlementFacts, principalOf } from './facts';
import type { Request } from './request.entity';
import { standingPaths, type StandingPath } from './standing-path';

/** What requests are judged by after they were asked: "asked" facts as they were, live ones as they are. */
export class Asked {
  constructor(
    private readonly policies: PolicySet,
    /** By identity. */
    private readonly people: ReadonlyMap<string, Person>,
    /** By the hex form of their commitment. One that was erased is absent. */
    private readonly addresses: ReadonlyMap<string, string>,
  ) {}

  /** The ways to this entitlement that were open when it was asked and are open now. */
  standing(request: Request, offered: Offered, recorded: readonly StandingPath[]): StandingPath[] {
    const person = this.people.get(request.identityId);
    if (!person) throw new IdentityUnknown(request.identityId);
    const address = request.addressCommitment && this.addresses.get(request.addressCommitment.toString('hex'));
    const context = contextOf({
      signedInAt: request.signedInAt,
      at: request.createdAt,
      ...(address && { address }),
    });
    const { paths } = this.policies.request({
      principal: principalOf(person, this.policies),
      resource: entitlementFacts(offered),
      context: { ...context, durationSeconds: request.durationSeconds },
    });
    return standingPaths(
      recorded.filter((path) => path.entitlementId === offered.entitlement.id),
      paths,
    );
  }
}
