import type { EntityManager } from 'typeorm';
import { Commitments } from '@app/audit';
import { ProviderRegistry, type EndingTraits } from '@app/providers';
import { NotFound } from './access.errors';
import type { DecisionVerdict } from './decision.entity';
import type { Asker } from './facts';
import type { GrantState } from './grant.machine';
import { Judge } from './judge';
import { newestRequests, Parameters } from './newest';
import { pageOf, parseCursor, type Page } from './page';
import type { RequestState } from './request.machine';
import { sightParameters, VISIBLE_REQUEST, visibleRequest, type Sight } from './sight';

export interface RequestView {
  readonly id: string;
  readonly state: RequestState;
  readonly requester: { readonly id: string; readonly name: string };
  /** `<target>/<entitlement>` each. */
  readonly entitlements: readonly string[];
  readonly durationSeconds: number;
  /** `null` when it was erased, or the key that it was sealed under is lost. */
  readonly reason: string | null;
  /** In hex: a decision names it. */
  readonly scopeHash: string;
  readonly policyVersion: string;
  readonly createdAt: Date;
  readonly lapsesAt: Date;
  readonly decidedAt: Date | null;
  readonly paths: readonly {
    entitlement: string;
    policy: string;
    approvalsNeeded: number;
    approverGroup: string | null;
  }[];
  readonly decisions: readonly {
    by: { id: string; name: string } | null;
    verdict: DecisionVerdict;
    at: string;
    policies: readonly string[];
  }[];
  readonly grants: readonly { id: string; state: GrantState; entitlement: string }[];
  /** How each of its targets ends access, by the target's name: what an approver is told before deciding. */
  readonly endings: Readonly<Record<string, EndingTraits>>;
}

export interface RequestFilter {
  readonly state?: RequestState | undefined;
  /** `mine`: asked by me. `inbox`: pending, mine to decide, and not decided by me yet. */
  readonly box?: 'mine' | 'inbox' | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

type Row = Omit<RequestView, 'reason' | 'endings'> & {
  reasonCommitment: Buffer;
  kinds: Readonly<Record<string, string>>;
};

const ENTITLEMENT_NAME = `t.name || '/' || e.name`;

const FIELDS = `
  r.id, r.state, jsonb_build_object('id', i.id, 'name', i.name) AS requester, r.duration_seconds AS "durationSeconds",
  r.reason_commitment AS "reasonCommitment", encode(r.scope_hash, 'hex') AS "scopeHash", r.policy_version AS "policyVersion",
  r.created_at AS "createdAt", r.lapses_at AS "lapsesAt", r.decided_at AS "decidedAt",
  (SELECT jsonb_agg(${ENTITLEMENT_NAME} ORDER BY re.position) FROM request_entitlements re
     JOIN entitlements e ON e.id = re.entitlement_id JOIN targets t ON t.id = e.target_id WHERE re.request_id = r.id) AS entitlements,
  (SELECT jsonb_object_agg(t.name, t.kind) FROM request_entitlements re JOIN entitlements e ON e.id = re.entitlement_id
     JOIN targets t ON t.id = e.target_id WHERE re.request_id = r.id) AS kinds,
  (SELECT jsonb_agg(jsonb_build_object('entitlement', ${ENTITLEMENT_NAME}, 'policy', p.policy, 'approvalsNeeded', p.approvals_needed,
            'approverGroup', p.approver_group) ORDER BY t.name, e.name, p.policy) FROM request_paths p
     JOIN entitlements e ON e.id = p.entitlement_id JOIN targets t ON t.id = e.target_id WHERE p.request_id = r.id) AS paths,
  coalesce((SELECT jsonb_agg(jsonb_build_object('by', CASE WHEN d.identity_id IS NOT NULL THEN jsonb_build_object('id', di.id, 'name', di.name) END,
            'verdict', d.state, 'at', to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'policies', ARRAY(SELECT DISTINCT unnest(d.policies) ORDER BY 1)) ORDER BY d.created_at)
     FROM decisions d LEFT JOIN identities di ON di.id = d.identity_id WHERE d.request_id = r.id), '[]') AS decisions,
  coalesce((SELECT jsonb_agg(jsonb_build_object('id', g.id, 'state', g.state, 'entitlement', ${ENTITLEMENT_NAME}) ORDER BY g.created_at, g.id)
     FROM grants g JOIN entitlements e ON e.id = g.entitlement_id JOIN targets t ON t.id = g.target_id WHERE g.request_id = r.id), '[]') AS grants`;

/** Requests as those see them who may. */
export class RequestsView {
  constructor(
    private readonly judge: Judge,
    private readonly commitments: Commitments,
    private readonly providers: ProviderRegistry,
  ) {}

  async list(manager: EntityManager, asker: Asker, filter: RequestFilter): Promise<Page<RequestView>> {
    const sight = await this.judge.sight(manager, asker);
    const parameters = new Parameters();
    const page = pageQuery(parameters, sight, filter);
    const rows = await manager.query<Row[]>(
      `SELECT ${FIELDS} FROM (${page}) page JOIN requests r ON r.id = page.id JOIN identities i ON i.id = r.identity_id
       ORDER BY page.created_at DESC, page.id DESC`,
      parameters.values,
    );
    const { items, ...rest } = pageOf(rows, filter.limit);
    return { items: await this.#open(manager, items), ...rest };
  }

  /** @throws NotFound */
  async get(manager: EntityManager, asker: Asker, id: string): Promise<RequestView> {
    const rows = await manager.query<Row[]>(
      `SELECT ${FIELDS} FROM requests r JOIN identities i ON i.id = r.identity_id WHERE ${VISIBLE_REQUEST} AND r.id = $4`,
      [...sightParameters(await this.judge.sight(manager, asker)), id],
    );
    const [view] = await this.#open(manager, rows);
    if (!view) throw new NotFound('request', { request: id });
    return view;
  }

  async #open(manager: EntityManager, rows: readonly Row[]): Promise<RequestView[]> {
    const reasons = await this.commitments.show(
      manager,
      rows.map((row) => row.reasonCommitment),
    );
    return rows.map(({ reasonCommitment, kinds, ...row }) => ({
      ...row,
      endings: Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, this.providers.get(kind).ending])),
      reason: reasons.get(reasonCommitment.toString('hex')) ?? null,
    }));
  }
}

/** The ids of one page, one more than fits. */
function pageQuery(parameters: Parameters, sight: Sight, { box, state, cursor, limit }: RequestFilter): string {
  const where = state === undefined ? [] : [`r.state = ${parameters.add(state, 'text')}`];
  const wanted = { sight, mine: box === 'mine', where, after: parseCursor(cursor), limit: limit + 1 };
  if (wanted.mine || (box !== 'inbox' && state !== 'pending')) return newestRequests(parameters, wanted);
  // What is pending is few among all that ever was: it is read in order, and looked through.
  const pending = { ...wanted, sight: { ...sight, everything: true } };
  const [me, groups] = [parameters.add(sight.identityId, 'uuid'), parameters.add(sight.groups, 'text[]')];
  if (box !== 'inbox') {
    const visible = visibleRequest(me, groups, parameters.add(sight.everything, 'boolean'));
    return newestRequests(parameters, { ...pending, where: [...where, visible] });
  }
  const mineToDecide = [
    `r.state = 'pending'`,
    'r.lapses_at > clock_timestamp()',
    `r.identity_id <> ${me}`,
    `EXISTS (SELECT FROM request_paths p WHERE p.request_id = r.id AND p.approver_group = ANY(${groups}) OFFSET 0)`,
    `NOT EXISTS (SELECT FROM decisions d WHERE d.request_id = r.id AND d.identity_id = ${me})`,
  ];
  return newestRequests(parameters, { ...pending, where: [...where, ...mineToDecide] });
}
