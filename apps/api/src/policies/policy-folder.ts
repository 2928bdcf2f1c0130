import { Injectable } from '@nestjs/common';
import { PoliciesService, type Asker, type PolicyReload } from '@app/access';
import type { Transaction } from '@app/platform';
import { readPolicyFiles } from '@app/policy';

/** The folder of policy files that this process reads. */
@Injectable()
export class PolicyFolder {
  constructor(
    private readonly path: string,
    private readonly policies: PoliciesService,
  ) {}

  /** @throws PolicyInvalid: what applied before goes on to apply */
  async reload(tx: Transaction, asker: Asker): Promise<PolicyReload> {
    // Who may not is told so before the folder is looked at.
    await this.policies.assertMayAdminister(tx, asker);
    return this.policies.apply(tx, await readPolicyFiles(this.path));
  }

  /** At the start of the service. */
  async apply(tx: Transaction): Promise<PolicyReload> {
    return this.policies.apply(tx, await readPolicyFiles(this.path));
  }
}
