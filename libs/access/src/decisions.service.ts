import { In } from 'typeorm';
import { countsAs } from '@app/identity';
import type { Transaction } from '@app/platform';
import {
  DecidedBefore,
  NoLongerAllowed,
  NotAnApprover,
  NotFound,
  ScopeChanged,
  SelfApprovalForbidden,
} from './access.errors';
import { approvalsOf, approve, recordVerdict } from './approval';
import { askedFor, currentScopeHash, type Offered } from './asked';
import { Decision, type DecisionVerdict } from './decision.entity';
import type { Asker } from './facts';
import { Judge } from './judge';
import { alreadyDecided, settle } from './outcome';
import { Request, RequestPath } from './request.entity';
import { sightParameters, VISIBLE_REQUEST } from './sight';
import type { StandingPath } from './standing-path';

export interface DecisionOrder {
  readonly verdict: DecisionVerdict;
  /** The hash that the approver was shown, in hex. */
  readonly scopeHash: string;
}

/** One approver's verdict; exactly one outcome, whoever clicks what when. */
export class DecisionsService {
  constructor(
    private readonly judge: Judge,
    private readonly activateWithinSeconds: number,
  ) {}

  async decide(tx: Transaction, asker: Asker, requestId: string, order: DecisionOrder): Promise<void> {
    // Held first: a reload of the policies comes before this decision or after it, never in between.
    const { version } = await this.judge.policies.held(tx);
    const request = await this.#lock(tx, asker, requestId);
    const offered = await askedFor(tx, requestId);
    const recorded = await tx.findBy(RequestPath, { requestId });
    const standing = await this.judge.standing(tx, request, offered, recorded);
    // What the policies no longer allow cannot be approved; it can be denied by those who were asked.
    const paths = order.verdict === 'deny' ? recorded : standing;
    const mine = await this.judge.decidable(tx, asker, { request, offered, paths });
    await this.#assertOpen(tx, request, { asker, order, mine, standing });
    const decision = { identityId: asker.identityId, policyVersion: version, paths: mine };
    if (order.verdict === 'deny') {
      await recordVerdict(tx, request, 'deny', decision);
      return settle(tx, requestId, 'deny');
    }
    assertSameScope(request, offered);
    assertSatisfiable(offered, standing);
    const last = await this.#isLast(tx, request, standing, mine);
    await recordVerdict(tx, request, 'approve', decision);
    return last ? approve(tx, request, this.activateWithinSeconds) : undefined;
  }

  /** Decisions on one request come one after the other: each counts those before it. */
  async #lock(tx: Transaction, asker: Asker, id: string): Promise<Request> {
    const sight = await this.judge.sight(tx, asker);
    const [seen] = await tx.query<unknown[]>(
      `SELECT r.id FROM requests r WHERE ${VISIBLE_REQUEST} AND r.id = $4 FOR UPDATE`,
      [...sightParameters(sight), id],
    );
    if (!seen) throw new NotFound('request', { request: id });
    return tx.findOneByOrFail(Request, { id });
  }

  async #assertOpen(
    tx: Transaction,
    request: Request,
    facts: { asker: Asker; order: DecisionOrder; mine: readonly StandingPath[]; standing: readonly StandingPath[] },
  ): Promise<void> {
    const { asker, order, mine, standing } = facts;
    // The same person in another account is the same person, as the requester and as an approver.
    const asOne = await countsAs(tx, asker.identityId);
    if (asOne.has(request.identityId)) throw new SelfApprovalForbidden();
    if (request.state !== 'pending') throw await alreadyDecided(tx, request.id);
    if (mine.length === 0) {
      if (order.verdict === 'approve' && standing.length === 0) throw new NoLongerAllowed({ request: request.id });
      throw new NotAnApprover({ approvers: [...new Set(standing.flatMap((path) => path.approverGroup ?? []))] });
    }
    if (request.scopeHash.toString('hex') !== order.scopeHash) throw new ScopeChanged({ request: request.id });
    if (await tx.existsBy(Decision, { requestId: request.id, identityId: In([...asOne]) })) throw new DecidedBefore();
  }

  /** Whether, with this verdict, each entitlement has a way with enough different people. */
  async #isLast(
    tx: Transaction,
    request: Request,
    standing: readonly StandingPath[],
    mine: readonly StandingPath[],
  ): Promise<boolean> {
    const before = await tx.findBy(Decision, { requestId: request.id, verdict: 'approve' });
    const votes = (path: StandingPath) => approvalsOf(path, before) + (mine.includes(path) ? 1 : 0);
    const entitlements = [...new Set(standing.map((path) => path.entitlementId))];
    return entitlements.every((id) =>
      standing.some((path) => path.entitlementId === id && votes(path) >= path.approvalsNeeded),
    );
  }
}

function assertSameScope(request: Request, offered: readonly Offered[]): void {
  if (!currentScopeHash(request, offered).equals(request.scopeHash)) throw new ScopeChanged({ request: request.id });
}

function assertSatisfiable(offered: readonly Offered[], standing: readonly StandingPath[]): void {
  const closed = offered.filter(({ entitlement }) => !standing.some((path) => path.entitlementId === entitlement.id));
  if (closed.length > 0) throw new NoLongerAllowed({ entitlements: closed.map(({ name }) => name) });
}
