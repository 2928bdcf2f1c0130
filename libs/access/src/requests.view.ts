import type { EntityManager } from 'typeorm';
import { Commitments } from '@app/audit';
import { NotFound } from './access.errors';
import type { DecisionVerdict } from './decision.entity';
import type { Asker } from './facts';
import type { GrantState } from './grant.machine';
import { Judge } from './judge';
import { pageOf, parseCursor, type Page } from './page';
import type { RequestState } from './request.machine';
import { sightParameters, VISIBLE_REQUEST } from './sight';

export interface RequestView {
  readonly id: string;
  readonly state: RequestState;
  readonly requester: { readonly id: string; readonly name: string };
  /** `<target>/<entitlement>` each. */
  readonly entitlements: readonly string[];
  readonly durationSeconds: number;
  /** `null` when it was erased. */
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
}

export interface RequestFilter {
  readonly state?: RequestState | undefined;
  /** `mine`: asked by me. `inbox`: pending, mine to decide, and not decided by me yet. */
  readonly box?: 'mine' | 'inbox' | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

type Row = Omit<RequestView, 'reason'> & { reasonCommitment: Buffer };

const ENTITLEMENT_NAME = `t.name || '/' || e.name`;

const FIELDS = `
  r.id, r.state, jsonb_build_object('id', i.id, 'name', i.name) AS requester, r.duration_seconds AS "durationSeconds",
  r.reason_commitment AS "reasonCommitment", encode(r.scope_hash, 'hex') AS "scopeHash", r.policy_version AS "policyVersion",
  r.created_at AS "createdAt", r.lapses_at AS "lapsesAt", r.decided_at AS "decidedAt",
  (SELECT jsonb_agg(${ENTITLEMENT_NAME} ORDER BY re.position) FROM request_entitlements re
     JOIN entitlements e ON e.id = re.entitlement_id JOIN targets t ON t.id = e.target_id WHERE re.request_id = r.id) AS entitlements,
  (SELECT jsonb_agg(jsonb_build_object('entitlement', ${ENTITLEMENT_NAME}, 'policy', p.policy, 'approvalsNeeded', p.approvals_needed,
            'approverGroup', p.approver_group) ORDER BY t.name, e.name, p.policy) FROM request_paths p
     JOIN entitlements e ON e.id = p.entitlement_id JOIN targets t ON t.id = e.target_id WHERE p.request_id = r.id) AS paths,
  coalesce((SELECT jsonb_agg(jsonb_build_object('by', CASE WHEN d.identity_id IS NOT NULL THEN jsonb_build_object('id', di.id, 'name', di.name) END,
            'verdict', d.state, 'at', to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'policies', d.policies) ORDER BY d.created_at)
     FROM decisions d LEFT JOIN identities di ON di.id = d.identity_id WHERE d.request_id = r.id), '[]') AS decisions,
  coalesce((SELECT jsonb_agg(jsonb_build_object('id', g.id, 'state', g.state, 'entitlement', ${ENTITLEMENT_NAME}) ORDER BY g.created_at, g.id)
     FROM grants g JOIN entitlements e ON e.id = g.entitlement_id JOIN targets t ON t.id = g.target_id WHERE g.request_id = r.id), '[]') AS grants`;

const BOXES = {
  mine: 'r.identity_id = $1::uuid',
  inbox: `r.state = 'pending' AND r.lapses_at > clock_timestamp() AND r.identity_id <> $1::uuid
    AND EXISTS (SELECT FROM request_paths p WHERE p.request_id = r.id AND p.approver_group = ANY($2::text[]))
    AND NOT EXISTS (SELECT FROM decisions d WHERE d.request_id = r.id AND d.identity_id = $1::uuid)`,
} as const;

/** Requests as those see them who may. */
export class RequestsView {
  constructor(
    private readonly judge: Judge,
    private readonly commitments: Commitments,
  ) {}

  async list(manager: EntityManager, asker: Asker, filter: RequestFilter): Promise<Page<RequestView>> {
    const cursor = parseCursor(filter.cursor);
    const rows = await manager.query<Row[]>(
      `SELECT ${FIELDS} FROM requests r JOIN identities i ON i.id = r.identity_id
       WHERE ${VISIBLE_REQUEST} AND ($4::text IS NULL OR r.state = $4)
         AND ${filter.box === undefined ? 'true' : BOXES[filter.box]}
         AND ($5::timestamptz IS NULL OR (r.created_at, r.id) < ($5::timestamptz, $6::uuid))
       ORDER BY r.created_at DESC, r.id DESC LIMIT $7`,
      [
        ...sightParameters(await this.judge.sight(manager, asker)),
        filter.state ?? null,
        cursor?.createdAt ?? null,
        cursor?.id ?? null,
        filter.limit + 1,
      ],
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
    const reasons = await this.commitments.open(
      manager,
      rows.map((row) => row.reasonCommitment),
    );
    return rows.map(({ reasonCommitment, ...row }) => ({
      ...row,
      reason: reasons.get(reasonCommitment.toString('hex')) ?? null,
    }));
  }
}
