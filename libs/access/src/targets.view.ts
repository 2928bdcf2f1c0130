import type { EntityManager } from 'typeorm';
import type { PathDescription } from '@app/policy';
import { ProviderRegistry, type EndingTraits } from '@app/providers';
import { withEntitlements, type Offered } from './asked';
import type { Asker } from './facts';
import { Judge } from './judge';
import { NotFound } from './access.errors';
import { isInside } from './sight';
import { Target } from './target.entity';

export interface EntitlementView {
  /** `<target>/<entitlement>`: what to write after `curfew request`. */
  readonly name: string;
  /** The ways to get it; none for somebody who only looks after it. */
  readonly paths: readonly PathDescription[];
}

export interface TargetView {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly owner: string;
  readonly ending: EndingTraits;
  readonly entitlements: readonly EntitlementView[];
  /** Where it is and as whom we come: for its owners, administrators and auditors. */
  readonly connection: object | null;
}

/** What there is to ask for, for how long, and who would approve. */
export class TargetsView {
  constructor(
    private readonly judge: Judge,
    private readonly providers: ProviderRegistry,
  ) {}

  /** The targets on which this person may ask for something, and those that they own or oversee. */
  async list(manager: EntityManager, asker: Asker): Promise<TargetView[]> {
    const targets = await manager.find(Target, { order: { name: 'ASC' } });
    const offered = await withEntitlements(manager, targets);
    const sight = await this.judge.sight(manager, asker);
    const policies = await this.judge.policies.current(manager);
    return targets.flatMap((target) => {
      const inside = isInside(sight, target);
      const entitlements = offered
        .filter((each) => each.target === target && each.entitlement.retiredAt === null)
        .map((each: Offered) => ({
          name: each.name,
          paths: policies.describePaths(this.judge.askFacts(policies, asker, each, 1)),
        }))
        .filter(({ paths }) => inside || paths.length > 0);
      if (!inside && entitlements.length === 0) return [];
      return [{ ...this.#face(target), entitlements, connection: inside ? target.connection : null }];
    });
  }

  /** @throws NotFound for what {@link list} does not show */
  async get(manager: EntityManager, asker: Asker, name: string): Promise<TargetView> {
    const found = (await this.list(manager, asker)).find((target) => target.name === name);
    if (!found) throw new NotFound('target', { target: name });
    return found;
  }

  #face({ id, name, kind, ownerGroup }: Target) {
    return { id, name, kind, owner: ownerGroup, ending: this.providers.get(kind).ending };
  }
}
