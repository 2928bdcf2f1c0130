import { randomUUID } from 'node:crypto';
import { type EntityManager } from 'typeorm';
import { Clock, Secret } from '@app/kernel';
import { currentCorrelation, Operations, SealBroken, Sealer, type Transaction } from '@app/platform';
import { ProviderRegistry, type CheckReport } from '@app/providers';
import { NotPermitted, TargetExists, TargetInUse } from './access.errors';
import { administeredTarget, thereIs } from './administered';
import { withEntitlements } from './asked';
import type { Asker } from './facts';
import { Judge } from './judge';
import { digest } from './scope';
import { InvalidTargetFile, parseTargetFile, type ParsedTarget } from './target-file';
import { Entitlement, Target } from './target.entity';
import { passwordContext, sealPassword } from './work';

export interface TargetOrder {
  /** What `orders-db.yaml` holds. */
  readonly file: unknown;
  readonly password: Secret<string>;
}

export interface TargetReplacement extends TargetOrder {
  readonly name: string;
  /** The connection is another one, and the system is the same. */
  readonly moved?: boolean;
}

/** What there is to find when the password does not open: the target itself cannot be asked. */
const SEALED: CheckReport = {
  ok: false,
  findings: [
    {
      kind: 'wrong',
      message: 'the password that Curfew keeps for it does not open: its key file is lost, or is another one',
      remedy:
        'Bring the key file back, or set a new password at the target and give it to Curfew: `curfew targets add -f <file> --replace`.',
    },
  ],
};

/** Connecting targets. */
export class TargetsService {
  constructor(
    private readonly judge: Judge,
    private readonly providers: ProviderRegistry,
    private readonly sealer: Sealer,
    private readonly clock: Clock,
  ) {}

  /** Connects a target. @returns its name @throws TargetExists */
  async add(tx: Transaction, asker: Asker | 'demo', order: TargetOrder): Promise<string> {
    const parsed = parseTargetFile(this.providers, order.file);
    const id = randomUUID();
    const target = tx.create(Target, {
      id,
      ...fieldsOf(parsed),
      passwordSealed: await sealPassword(this.sealer, id, order.password),
    });
    if (asker !== 'demo') await this.#assertMayAdminister(tx, asker, target);
    if (await tx.existsBy(Target, { name: target.name })) throw new TargetExists(target.name);
    await tx.insert(Target, target);
    await tx.insert(Entitlement, entitlementRows(id, parsed));
    return target.name;
  }

  /**
   * Changes a target; requests that were made before are asked anew. While grants live, another address must be said to be
   * the same system: a proof that comes from another one proves nothing.
   *
   * @throws TargetInUse
   */
  async replace(tx: Transaction, asker: Asker | 'demo', order: TargetReplacement): Promise<void> {
    const target = await this.#find(tx, asker, order.name);
    if (asker !== 'demo') await this.#assertMayAdminister(tx, asker, target);
    const parsed = parseTargetFile(this.providers, order.file);
    if (parsed.name !== target.name)
      throw new InvalidTargetFile([{ path: 'name', problem: 'a target keeps its name' }]);
    const { name: _, ...fields } = fieldsOf(parsed);
    if (fields.configHash.equals(target.configHash) && (await this.#isPassword(target, order.password))) return;
    await this.#assertSameSystem(tx, target, parsed, order.moved ?? false);
    const passwordSealed = await sealPassword(this.sealer, target.id, order.password);
    await tx.update(Target, { id: target.id }, { ...fields, passwordSealed, revision: target.revision + 1 });
    await tx.query(
      'UPDATE entitlements SET retired_at = clock_timestamp() WHERE target_id = $1 AND retired_at IS NULL',
      [target.id],
    );
    for (const { name: entitlement, config } of entitlementRows(target.id, parsed)) {
      await tx.query(
        `INSERT INTO entitlements (target_id, name, config) VALUES ($1, $2, $3)
         ON CONFLICT (target_id, name) DO UPDATE SET config = excluded.config, retired_at = NULL`,
        [target.id, entitlement, JSON.stringify(config)],
      );
    }
    const correlation = currentCorrelation() ?? target.id;
    await Operations.request(tx, { kind: 'reevaluate', subjectId: target.id, correlation });
  }

  /** Is the connection right, and has our account what it needs and not more? For owners and administrators. */
  async check(manager: EntityManager, asker: Asker, name: string): Promise<CheckReport> {
    const target = await this.#find(manager, asker, name);
    const provider = this.providers.get(target.kind);
    const password = await this.#password(target);
    if (!password) return SEALED;
    const offered = (await withEntitlements(manager, [target])).filter(
      ({ entitlement }) => entitlement.retiredAt === null,
    );
    return provider.check(
      { connection: provider.connection.parse(target.connection), password },
      offered.map(({ entitlement }) => ({
        name: entitlement.name,
        config: provider.entitlement.parse(entitlement.config),
      })),
      this.clock.now(),
    );
  }

  async #assertSameSystem(tx: Transaction, target: Target, parsed: ParsedTarget, moved: boolean): Promise<void> {
    const { kind, connection } = target;
    const stays = digest({ kind, connection }).equals(digest({ kind: parsed.kind, connection: parsed.connection }));
    if (stays || moved) return;
    // What could not be tidied away is there still, and is looked for there.
    const [row] = await tx.query<{ live: number }[]>(
      `SELECT (SELECT count(*) FROM grants WHERE target_id = $1 AND state <> 'ended')::int
            + (SELECT count(*) FROM grants WHERE target_id = $1 AND state = 'ended' AND leftovers <> '[]')::int AS live`,
      [target.id],
    );
    const live = row?.live ?? 0;
    if (live > 0) throw new TargetInUse(live);
  }

  /** A password that does not open any more is another one: this is how it is mended. */
  async #isPassword(target: Target, password: Secret<string>): Promise<boolean> {
    const known = await this.#password(target);
    return known?.reveal() === password.reveal();
  }

  /** `undefined` when it does not open. */
  async #password(target: Target): Promise<Secret<string> | undefined> {
    try {
      return await this.sealer.open(target.passwordSealed, passwordContext(target.id));
    } catch (error) {
      if (error instanceof SealBroken) return undefined;
      throw error;
    }
  }

  async #find(manager: EntityManager, asker: Asker | 'demo', name: string): Promise<Target> {
    if (asker === 'demo') return thereIs(await manager.findOneBy(Target, { name }), name);
    return administeredTarget(this.judge, manager, asker, name);
  }

  async #assertMayAdminister(manager: EntityManager, asker: Asker, target: Target): Promise<void> {
    const verdict = await this.judge.mayAdminister(manager, asker, target);
    if (!verdict.allowed) throw new NotPermitted('administer', verdict.refusal.message);
  }
}

function fieldsOf({ name, kind, owner, connection, entitlements }: ParsedTarget) {
  return { name, kind, ownerGroup: owner, connection, configHash: digest({ kind, owner, connection, entitlements }) };
}

function entitlementRows(targetId: string, { entitlements }: ParsedTarget) {
  return Object.entries(entitlements).map(([name, config]) => ({ targetId, name, config }));
}
