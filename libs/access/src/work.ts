import type { DataSource } from 'typeorm';
import { Recorder, type Act } from '@app/audit';
import { AppError, Secret } from '@app/kernel';
import { Operations, Sealer, type Operation, type Transaction } from '@app/platform';
import {
  ProviderRegistry,
  TargetUnavailable,
  type EntitlementConfig,
  type GrantRef,
  type Provider,
  type TargetAccess,
} from '@app/providers';
import { Entitlement, Target } from './target.entity';

/** How often a lease is renewed while the target is spoken to. */
const RENEW_MS = 2_000;
/** A provider keeps its own time, a minute at most. One that does not is not waited for: it would keep its place for ever. */
const CALL_MS = 90_000;

export type ProviderStep = 'issue' | 'replace' | 'end' | 'prove' | 'list';

/** One call of a provider and how it went, for the log: names and codes, never what was handed over. */
export interface ProviderCall {
  readonly operation: string;
  readonly grant: string;
  /** The target's name. */
  readonly target: string;
  readonly step: ProviderStep;
  readonly milliseconds: number;
  /** `done`, a proof's verdict, or the code of what went wrong. */
  readonly outcome: string;
  /** How many grants it was about, where it was about many: `grant` is one of them. */
  readonly of?: number;
}

/** How calls of providers are taken. */
export interface WorkCalls {
  readonly onCall: (call: ProviderCall) => void;
  /** How long one may take, whatever the provider says itself, in milliseconds. */
  readonly withinMs?: number | undefined;
}

/** A target as its provider takes it. */
export interface Connected {
  readonly name: string;
  /** Grows with each change of the target. */
  readonly revision: number;
  readonly provider: Provider;
  readonly access: TargetAccess;
}

/** A grant's target, and what the grant is for. */
export interface Reached extends Connected {
  readonly entitlement: EntitlementConfig;
}

/** The way from a grant's row to its target. */
export class Reach {
  constructor(
    private readonly database: DataSource,
    private readonly providers: ProviderRegistry,
    private readonly sealer: Sealer,
  ) {}

  async target(grant: { targetId: string; entitlementId: string }): Promise<Reached> {
    const connected = await this.connected(grant.targetId);
    const { name, config } = await this.database.manager.findOneByOrFail(Entitlement, { id: grant.entitlementId });
    return { ...connected, entitlement: { name, config: connected.provider.entitlement.parse(config) } };
  }

  async connected(targetId: string): Promise<Connected> {
    const target = await this.database.manager.findOneByOrFail(Target, { id: targetId });
    const provider = this.providers.get(target.kind);
    return {
      name: target.name,
      revision: target.revision,
      provider,
      access: {
        connection: provider.connection.parse(target.connection),
        password: await this.sealer.open(target.passwordSealed, passwordContext(target.id)),
      },
    };
  }

  async ref(grantId: string): Promise<GrantRef> {
    return { installation: await this.installation(), grantId };
  }

  async refs(grantIds: readonly string[]): Promise<GrantRef[]> {
    const installation = await this.installation();
    return grantIds.map((grantId) => ({ installation, grantId }));
  }

  /** The part of the installation's id that everything we make is named after. */
  async installation(): Promise<string> {
    const [row] = await this.database.query<{ id: string }[]>('SELECT id FROM installation');
    if (!row) throw new Error('the installation has no id');
    return row.id.slice(0, 8);
  }
}

interface Speech<T> extends Pick<Reached, 'name'> {
  readonly step: ProviderStep;
  /** Whose it is, when the operation's subject is not the grant. */
  readonly grant?: string;
  /** What a call that went through came to; without it `done`. */
  readonly outcome?: (result: T) => string;
  /** About how many grants, where it is about many. */
  readonly of?: number;
  /** Keeps the lease meanwhile; without it that of the operation. */
  readonly renew?: () => Promise<void>;
}

/** The two halves of a step that touches a target: "commit the intent, act, commit the outcome". */
export class Work {
  readonly #recorder: Recorder;

  constructor(
    readonly database: DataSource,
    readonly operations: Operations,
    readonly reach: Reach,
    private readonly calls: WorkCalls,
  ) {
    this.#recorder = new Recorder(database);
  }

  /**
   * A transaction of the worker's own, under the correlation of the operation. It takes the grant before the operation, as
   * whoever decides an end does: in the other order, an end and an outcome at once would be a deadlock.
   */
  commit<T>(
    operation: Operation,
    work: (tx: Transaction) => Promise<T>,
    grants: string | readonly string[] = operation.subjectId,
  ): Promise<T> {
    const act: Act = { actor: 'worker', channel: 'worker', correlation: operation.correlation };
    return this.#recorder.run(act, async (tx) => {
      await tx.query('SELECT FROM grants WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE', [[grants].flat()]);
      return work(tx);
    });
  }

  /**
   * Speaks to the target: keeps the lease meanwhile, and tells how it went. What a lost lease means is decided by the fence,
   * not here.
   *
   * @throws TargetUnavailable when the call has had its time. It may go on, like that of a worker which sleeps, and comes to
   * nothing like that: whoever tries again cuts it off.
   */
  async speak<T>(
    operation: Operation,
    { name, step, grant = operation.subjectId, outcome, of, renew }: Speech<T>,
    act: () => Promise<T>,
  ): Promise<T> {
    const keep = renew ?? (() => this.operations.renew(operation));
    const timer = setInterval(() => void keep().catch(() => undefined), RENEW_MS);
    const begunAt = performance.now();
    const tell = (how: string): void => {
      const milliseconds = Math.round((performance.now() - begunAt) * 10) / 10;
      this.calls.onCall({
        operation: operation.id,
        grant,
        target: name,
        step,
        milliseconds,
        outcome: how,
        ...(of !== undefined && { of }),
      });
    };
    try {
      const result = await within(this.calls.withinMs ?? CALL_MS, act());
      tell(outcome?.(result) ?? 'done');
      return result;
    } catch (error) {
      tell(error instanceof AppError ? error.code : 'internal');
      throw error;
    } finally {
      clearInterval(timer);
    }
  }
}

function within<T>(milliseconds: number, call: Promise<T>): Promise<T> {
  const over = Promise.withResolvers<never>();
  const timer = setTimeout(() => over.reject(new TargetUnavailable('too_slow')), milliseconds);
  return Promise.race([call, over.promise]).finally(() => clearTimeout(timer));
}

export const passwordContext = (targetId: string): string => `targets.password_sealed:${targetId}`;

/** A password as it is sealed beside a target. */
export const sealPassword = (sealer: Sealer, targetId: string, password: Secret<string>): Promise<Buffer> =>
  sealer.seal(password, passwordContext(targetId));
