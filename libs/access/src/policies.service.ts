import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { replaceFileGroups } from '@app/identity';
import { Clock } from '@app/kernel';
import { currentCorrelation, Operations, type Transaction } from '@app/platform';
import { assertDecidable, compilePolicyFiles, type PolicyFiles, type PolicySet } from '@app/policy';
import { NotPermitted, StaleState } from './access.errors';
import { accountOf, actContext, principalOf, type Asker } from './facts';
import { AppliedPolicySet } from './policy-set.entity';
import { samePeopleListed } from './same-people';

export interface PolicyReload {
  readonly version: string;
  /** `false` when the files are what applies already. */
  readonly changed: boolean;
}

/** The policies that apply: one row that says which, compiled once per process and version. */
export class PoliciesService {
  #compiled: PolicySet | undefined;

  constructor(private readonly clock: Clock) {}

  /** What applies now. */
  async current(manager: EntityManager): Promise<PolicySet> {
    return this.#compile(manager, await this.#version(manager, ''));
  }

  /** What applies until this transaction is over: a reload waits for it. A decision is made under these. */
  async held(tx: Transaction): Promise<PolicySet> {
    return this.#compile(tx, await this.#version(tx, 'FOR SHARE'));
  }

  /** Applies files: at the start of the service, and on reload. @throws PolicyInvalid, and nothing has changed */
  async apply(tx: Transaction, files: PolicyFiles): Promise<PolicyReload> {
    const compiled = compilePolicyFiles(files);
    const [applied] = await tx.query<{ id: string; version: string }[]>(
      `SELECT id, version FROM policy_sets WHERE state = 'applied' FOR UPDATE`,
    );
    if (applied?.version === compiled.version) return { version: compiled.version, changed: false };
    const inForce = applied && (await this.#compile(tx, applied.version));
    assertDecidable(compiled, await samePeopleListed(tx, compiled), inForce);
    if (applied) {
      await tx.query(`UPDATE policy_sets SET state = 'superseded', revision = revision + 1 WHERE id = $1`, [
        applied.id,
      ]);
    }
    const id = randomUUID();
    await tx.insert(AppliedPolicySet, {
      id,
      version: compiled.version,
      sources: files.policies,
      groupsSource: files.groups,
    });
    await replaceFileGroups(tx, listedIn(compiled));
    await Operations.request(tx, { kind: 'reevaluate', subjectId: id, correlation: currentCorrelation() ?? id });
    return { version: compiled.version, changed: true };
  }

  async assertMayAdminister(manager: EntityManager, asker: Asker): Promise<void> {
    const policies = await this.current(manager);
    const verdict = policies.may('administer', {
      principal: principalOf(asker, policies),
      resource: { type: 'installation' },
      context: actContext(asker, this.clock),
    });
    if (!verdict.allowed) throw new NotPermitted('administer', verdict.refusal.message);
  }

  async #version(manager: EntityManager, lock: 'FOR SHARE' | ''): Promise<string> {
    const [row] = await manager.query<{ version: string }[]>(
      `SELECT version FROM policy_sets WHERE state = 'applied' ${lock}`,
    );
    // With a lock, the row may have been superseded while we waited for it; the new one is there then.
    if (!row && lock) return this.#version(manager, '').then(() => this.#version(manager, lock));
    if (!row) throw new StaleState('policy set');
    return row.version;
  }

  async #compile(manager: EntityManager, version: string): Promise<PolicySet> {
    if (this.#compiled?.version !== version) {
      const row = await manager.findOneByOrFail(AppliedPolicySet, { version, state: 'applied' });
      this.#compiled = compilePolicyFiles({ policies: row.sources, groups: row.groupsSource });
    }
    return this.#compiled;
  }
}

function listedIn({ groups }: PolicySet): { group: string; connection: string; subject: string }[] {
  return [...groups.groups].flatMap(([group, declared]) =>
    declared.source === 'file' ? declared.members.map((member) => ({ group, ...accountOf(member) })) : [],
  );
}
