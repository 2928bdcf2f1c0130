import { Commitments } from '@app/audit';
import type { Secret } from '@app/kernel';
import type { Transaction } from '@app/platform';
import type { PolicySet, RequestPath as OpenPath } from '@app/policy';
import { AskedTwice, NotFound, RequestRefused } from './access.errors';
import { approve, recordVerdict } from './approval';
import { currentScopeHash, offeredByName, type Offered } from './asked';
import type { Asker } from './facts';
import { Judge } from './judge';
import { settle } from './outcome';
import { Request, RequestEntitlement, RequestPath } from './request.entity';
import { requestMachine } from './request.machine';
import { isHidden } from './sight';
import { ruleOf } from './standing-path';

export interface RequestOrder {
  /** `<target>/<entitlement>`, 1 to 10 of them; decided as a whole. */
  readonly entitlements: readonly string[];
  /** Whole seconds. */
  readonly durationSeconds: number;
  readonly reason: Secret<string>;
}

interface Judged {
  readonly offered: Offered;
  readonly paths: readonly OpenPath[];
}

/** Asking, and taking back. */
export class RequestsService {
  constructor(
    private readonly judge: Judge,
    private readonly commitments: Commitments,
    private readonly activateWithinSeconds: number,
  ) {}

  /**
   * May I? Judged at once: what no rule allows is refused here, and what needs nobody is approved here.
   *
   * @returns the request's id
   */
  async open(tx: Transaction, asker: Asker, order: RequestOrder): Promise<string> {
    const twice = order.entitlements.find((name, index) => order.entitlements.indexOf(name) !== index);
    if (twice !== undefined) throw new AskedTwice(twice);
    const policies = await this.judge.policies.held(tx);
    const judged = await this.#judged(tx, policies, asker, order);
    const request = await this.#write(tx, asker, order, { judged, policyVersion: policies.version });
    const free = judged.flatMap(({ offered: { entitlement }, paths }) => {
      const path = paths.find(({ approval }) => approval === 'none');
      return path ? [{ entitlementId: entitlement.id, policy: path.policy }] : [];
    });
    if (free.length === judged.length) {
      const decision = { identityId: null, policyVersion: policies.version, paths: free };
      await recordVerdict(tx, request, 'approve', decision);
      await approve(tx, request, this.activateWithinSeconds);
    }
    return request.id;
  }

  /** Takes a pending request of one's own back. @throws AlreadyDecided */
  async withdraw(tx: Transaction, asker: Asker, id: string): Promise<void> {
    if (!(await tx.existsBy(Request, { id, identityId: asker.identityId })))
      throw new NotFound('request', { request: id });
    await settle(tx, id, 'withdraw');
  }

  async #judged(tx: Transaction, policies: PolicySet, asker: Asker, order: RequestOrder): Promise<Judged[]> {
    const others = await this.judge.others(tx, policies, asker);
    const sight = this.judge.sightBy(policies, asker);
    // One after the other: the first that there is nothing to say about, whether it is not there or not theirs to see, ends it.
    return (await offeredByName(tx, order.entitlements)).map(({ name, found: offered }) => {
      if (!offered) throw new NotFound('entitlement', { entitlement: name });
      const facts = this.judge.askFacts(policies, asker, offered, order.durationSeconds);
      const verdict = policies.request({ ...facts, ...others });
      if (verdict.allowed) return { offered, paths: verdict.paths };
      if (isHidden(sight, offered, verdict)) throw new NotFound('entitlement', { entitlement: name });
      throw new RequestRefused(name, verdict.refusal);
    });
  }

  async #write(
    tx: Transaction,
    asker: Asker,
    order: RequestOrder,
    { judged, policyVersion }: { judged: readonly Judged[]; policyVersion: string },
  ): Promise<Request> {
    const { at, address } = await transactionFacts(tx);
    const unhashed = {
      identityId: asker.identityId,
      state: requestMachine.initial,
      revision: 1,
      durationSeconds: order.durationSeconds,
      reasonCommitment: await this.commitments.commit(tx, order.reason),
      addressCommitment: address,
      policyVersion,
      signedInAt: asker.signedInAt,
      lapsesAt: new Date(at.getTime() + pendingSeconds(judged) * 1_000),
    };
    const scopeHash = currentScopeHash(
      unhashed,
      judged.map(({ offered }) => offered),
    );
    const { identifiers } = await tx.insert(Request, { ...unhashed, scopeHash });
    const request = await tx.findOneByOrFail(Request, { id: String(identifiers[0]?.['id']) });
    const of = { requestId: request.id, createdAt: request.createdAt };
    await tx.insert(
      RequestEntitlement,
      judged.map(({ offered }, position) => ({ ...of, entitlementId: offered.entitlement.id, position })),
    );
    await tx.insert(
      RequestPath,
      judged.flatMap(({ offered, paths }) => paths.map((path) => ({ ...of, ...pathFields(offered, path) }))),
    );
    return request;
  }
}

/** The database's time, and the commitment to the client's address that the transaction was opened with. */
async function transactionFacts(tx: Transaction): Promise<{ at: Date; address: Buffer | null }> {
  const [facts] = await tx.query<{ at: Date; address: Buffer | null }[]>(
    `SELECT clock_timestamp() AS at, decode(nullif(current_setting('curfew.address', true), ''), 'hex') AS address`,
  );
  if (!facts) throw new Error('the database did not tell the time');
  return facts;
}

/** A request waits as long as its most patient rule, and no longer than any of its entitlements may wait. */
function pendingSeconds(judged: readonly Judged[]): number {
  return Math.min(...judged.map(({ paths }) => Math.max(...paths.map((path) => path.pendingForSeconds))));
}

function pathFields({ entitlement }: Offered, path: OpenPath): Omit<RequestPath, 'requestId' | 'createdAt'> {
  const rule = ruleOf(path);
  return {
    entitlementId: entitlement.id,
    policy: path.policy,
    approvalsNeeded: rule.count,
    approverGroup: rule.group,
  };
}
