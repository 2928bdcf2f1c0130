import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { PoliciesService, type Asker, type PolicyReload } from '@app/access';
import { AppError } from '@app/kernel';
import type { Transaction } from '@app/platform';
import { PolicyInvalid, readPolicyFiles } from '@app/policy';

/** The files of the folder are not valid when the service starts. `details.problems` names each by its path. */
export class PoliciesDoNotStart extends AppError {
  constructor(folder: string, cause: PolicyInvalid) {
    super({
      kind: cause.kind,
      code: cause.code,
      message: cause.message,
      advice: 'Mend each line listed, and start again. Nothing of them was applied, and nobody is served until then.',
      details: { problems: cause.problems.map((problem) => ({ ...problem, file: join(folder, problem.file) })) },
      cause,
    });
  }
}

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

  /** At the start of the service. @throws PoliciesDoNotStart */
  async apply(tx: Transaction): Promise<PolicyReload> {
    try {
      return await this.policies.apply(tx, await readPolicyFiles(this.path));
    } catch (error) {
      throw error instanceof PolicyInvalid ? new PoliciesDoNotStart(this.path, error) : error;
    }
  }
}
