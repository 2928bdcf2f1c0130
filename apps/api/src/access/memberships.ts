import { Injectable } from '@nestjs/common';
import { groupsOf, PoliciesService } from '@app/access';
import type { Person } from '@app/identity';
import { Reads } from '../edge/reads';
import { Memberships } from '../sign-in/memberships';

/** Memberships as the applied policies have them. */
@Injectable()
export class AppliedMemberships extends Memberships {
  constructor(
    private readonly reads: Reads,
    private readonly policies: PoliciesService,
  ) {
    super();
  }

  async of(person: Person): Promise<readonly string[]> {
    const { groups } = await this.reads.run((manager) => this.policies.current(manager));
    return groupsOf(person, groups);
  }
}
