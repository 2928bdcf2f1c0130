import type { EntityManager } from 'typeorm';
import { Commitments } from '@app/audit';
import { ProviderRegistry, type EndingTraits, type Leftover } from '@app/providers';
import { NotFound } from './access.errors';
import type { CredentialState } from './credential.machine';
import type { EvidenceKind } from './evidence.entity';
import type { Asker } from './facts';
import type { EndReason, GrantState } from './grant.machine';
import { Judge } from './judge';
import type { LastAttempt } from './last-attempt';
import { newestGrants, Parameters } from './newest';
import { pageOf, parseCursor, type Page } from './page';
import { sightParameters, VISIBLE_GRANT, type Sight } from './sight';

export interface GrantView {
  readonly id: string;
  readonly requestId: string;
  readonly holder: { readonly id: string; readonly name: string };
  /** `<target>/<entitlement>` */
  readonly entitlement: string;
  readonly state: GrantState;
  readonly durationSeconds: number;
  readonly activateBy: Date;
  /** The deadline; before it is active, the latest instant at which it may exist. */
  readonly endsAt: Date;
  readonly createdAt: Date;
  readonly activatedAt: Date | null;
  readonly endingAt: Date | null;
  readonly endReason: EndReason | null;
  readonly stuckAt: Date | null;
  readonly endedAt: Date | null;
  /** The code of what kept it from beginning, or keeps it from ending. */
  readonly failure: string | null;
  /** How many milliseconds after the deadline its end was decided; `null` unless it expired. */
  readonly lateMs: number | null;
  readonly ending: EndingTraits;
  readonly leftovers: readonly Leftover[];
  readonly credential: {
    readonly version: number;
    readonly state: CredentialState;
    readonly pickedUpAt: string | null;
    readonly pickedUpFrom: string | null;
    /** How often somebody came second, to this or an earlier version. */
    readonly refusedPickUps: number;
  } | null;
}

/** What there is to do for a grant at its target. */
const GRANT_WORK = ['begin', 'end', 'tidy', 'replace'] as const;

/** Work on a grant that did not go through, and is tried again. */
export interface Retry {
  readonly kind: (typeof GRANT_WORK)[number];
  /** How often it was tried, or is being tried now. */
  readonly attempts: number;
  /** The code of what went wrong the last time; `internal` when it was nothing that anybody thought of. */
  readonly failure: string;
  /** When it is tried again; `null` while it is. */
  readonly nextAt: Date | null;
}

export interface GrantLife extends GrantView {
  readonly evidence: readonly { kind: EvidenceKind; at: Date; body: Readonly<Record<string, unknown>> }[];
  readonly retry: Retry | null;
  /** What its end has come to, while it is not proven; `null` before it was tried, and when it is proven. */
  readonly lastAttempt: LastAttempt | null;
  /** The database's time when this was seen: what `endsAt` is judged by. */
  readonly asOf: Date;
}

export interface GrantFilter {
  /** `live`: not ended yet. */
  readonly state?: GrantState | 'live' | undefined;
  readonly mine?: boolean | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

type Row = Omit<GrantView, 'ending' | 'credential'> & {
  readonly kind: string;
  readonly credential: CredentialRow | null;
};

type CredentialRow = Omit<NonNullable<GrantView['credential']>, 'pickedUpFrom'> & {
  /** In hex. */
  readonly pickedUpFromCommitment: string | null;
};

const FIELDS = `
  g.id, g.request_id AS "requestId", jsonb_build_object('id', i.id, 'name', i.name) AS holder, t.name || '/' || e.name AS entitlement,
  t.kind, g.state, g.duration_seconds AS "durationSeconds", g.activate_by AS "activateBy", g.ends_at AS "endsAt",
  g.created_at AS "createdAt", g.activated_at AS "activatedAt", g.ending_at AS "endingAt", g.end_reason AS "endReason",
  g.stuck_at AS "stuckAt", g.ended_at AS "endedAt", g.failure, g.leftovers,
  CASE WHEN g.end_reason = 'expired' THEN (extract(epoch FROM g.ending_at - g.ends_at) * 1000)::float8 END AS "lateMs",
  (SELECT jsonb_build_object('version', c.version, 'state', c.state,
            'pickedUpFromCommitment', encode(c.picked_up_from_commitment, 'hex'),
            'refusedPickUps', (SELECT sum(every.refused_pick_ups) FROM credentials every WHERE every.grant_id = g.id), 'pickedUpAt',
            to_char(c.picked_up_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
     FROM credentials c WHERE c.grant_id = g.id ORDER BY c.version DESC LIMIT 1) AS credential`;

const JOINS = `JOIN targets t ON t.id = g.target_id JOIN entitlements e ON e.id = g.entitlement_id
  JOIN identities i ON i.id = g.identity_id`;

/** Grants as those see them who may. */
export class GrantsView {
  constructor(
    private readonly judge: Judge,
    private readonly commitments: Commitments,
    private readonly providers: ProviderRegistry,
  ) {}

  async list(manager: EntityManager, asker: Asker, filter: GrantFilter): Promise<Page<GrantView>> {
    const sight = await this.judge.sight(manager, asker);
    const parameters = new Parameters();
    const page = pageQuery(parameters, sight, filter);
    const rows = await manager.query<Row[]>(
      `SELECT ${FIELDS} FROM (${page}) page JOIN grants g ON g.id = page.id ${JOINS}
       ORDER BY page.created_at DESC, page.id DESC`,
      parameters.values,
    );
    const { items, ...rest } = pageOf(rows, filter.limit);
    return { items: await this.#shown(manager, items), ...rest };
  }

  /** The whole life of a grant, with its evidence. @throws NotFound */
  async get(manager: EntityManager, asker: Asker, id: string): Promise<GrantLife> {
    const rows = await manager.query<Row[]>(
      `SELECT ${FIELDS} FROM grants g ${JOINS} WHERE ${VISIBLE_GRANT} AND g.id = $4`,
      [...sightParameters(await this.judge.sight(manager, asker)), id],
    );
    const [view] = await this.#shown(manager, rows);
    if (!view) throw new NotFound('grant', { grant: id });
    const evidence = await manager.query<GrantLife['evidence']>(
      'SELECT kind, created_at AS at, body FROM evidence WHERE grant_id = $1 ORDER BY id',
      [id],
    );
    return { ...view, evidence, ...(await underWay(manager, id)) };
  }

  async #shown(manager: EntityManager, rows: readonly Row[]): Promise<GrantView[]> {
    const commitments = rows.flatMap(({ credential }) => credential?.pickedUpFromCommitment ?? []);
    const addresses = await this.commitments.show(
      manager,
      commitments.map((commitment) => Buffer.from(commitment, 'hex')),
    );
    return rows.map(({ kind, credential, ...row }) => ({
      ...row,
      credential: credential && shownCredential(credential, addresses),
      ending: this.providers.get(kind).ending,
    }));
  }
}

const CODE = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/;

/** What did not go through yet, by the code of one of our own errors and never by foreign words; and what time it is. */
async function underWay(
  manager: EntityManager,
  id: string,
): Promise<Pick<GrantLife, 'retry' | 'lastAttempt' | 'asOf'>> {
  const [row] = await manager.query<
    (Pick<GrantLife, 'lastAttempt' | 'asOf'> & {
      retry: (Omit<Retry, 'nextAt'> & { nextMs: number | null }) | null;
    })[]
  >(
    `SELECT date_trunc('milliseconds', clock_timestamp()) AS "asOf",
       (SELECT g.last_attempt FROM grants g WHERE g.id = $1) AS "lastAttempt",
       (SELECT jsonb_build_object('kind', o.kind, 'attempts', o.attempt, 'failure', o.last_error,
                 'nextMs', CASE WHEN o.lease_owner IS NULL THEN floor(extract(epoch FROM o.run_after) * 1000) END)
          FROM operations o
          WHERE o.subject_id = $1 AND o.finished_at IS NULL AND o.last_error IS NOT NULL AND o.kind = ANY($2)) AS retry`,
    [id, GRANT_WORK],
  );
  if (!row) throw new Error('the database does not say what time it is');
  const { retry, ...rest } = row;
  if (!retry) return { retry, ...rest };
  const { kind, attempts, failure, nextMs } = retry;
  const nextAt = nextMs === null ? null : new Date(nextMs);
  return { retry: { kind, attempts, failure: CODE.test(failure) ? failure : 'internal', nextAt }, ...rest };
}

function shownCredential(
  { pickedUpFromCommitment: from, ...credential }: CredentialRow,
  addresses: ReadonlyMap<string, string>,
): NonNullable<GrantView['credential']> {
  return { ...credential, pickedUpFrom: (from === null ? undefined : addresses.get(from)) ?? null };
}

/** The ids of one page, one more than fits. */
function pageQuery(parameters: Parameters, sight: Sight, { mine, state, cursor, limit }: GrantFilter): string {
  const [live, ended] = [`g.state <> 'ended'`, `g.state = 'ended'`];
  const parts = state === undefined ? [live, ended] : [state === 'ended' ? ended : live];
  const isOne = state !== undefined && state !== 'live' && state !== 'ended';
  const where = isOne ? [`g.state = ${parameters.add(state, 'text')}`] : [];
  const wanted = { sight, mine: mine ?? false, where, parts, after: parseCursor(cursor), limit: limit + 1 };
  return newestGrants(parameters, wanted);
}
