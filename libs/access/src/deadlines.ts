import type { DataSource } from 'typeorm';
import { failpoint } from '@app/kernel';
import type { OpenOperation } from '@app/platform';

/** How many grants one statement ends. */
const BATCH = 500;

export interface Pass {
  /** The work that was asked for: to ring for. */
  readonly operations: readonly OpenOperation[];
  /** Whether there may be more that is due right now. */
  readonly full: boolean;
  /** Milliseconds on the database's clock until the next deadline; `undefined` when there is none, or more is due right now. */
  readonly nextInMs: number | undefined;
  /** How late each was decided, in milliseconds. */
  readonly lateMs: readonly number[];
}

interface EndedRow extends OpenOperation {
  readonly late_ms: string;
}

/**
 * Ends what is due, on the database's clock. One statement decides, asks for the work and (by trigger) records it; several
 * processes may do so at once.
 */
export class Deadlines {
  constructor(private readonly database: DataSource) {}

  /** The grants whose time is over, and those that could not be begun in time. */
  async endDue(): Promise<Pass> {
    const expired = await this.#end('ends_at', `state IN ('scheduled', 'activating', 'active')`);
    if (expired.length > 0) failpoint('deadlines.expired');
    const unbegun = await this.#end('activate_by', `state IN ('scheduled', 'activating')`);
    if (unbegun.length > 0) failpoint('deadlines.given_up');
    const full = expired.length === BATCH || unbegun.length === BATCH;
    return {
      operations: [...expired, ...unbegun],
      full,
      nextInMs: full ? undefined : await this.#next(),
      lateMs: expired.map((row) => Number(row.late_ms)),
    };
  }

  /**
   * Requests that nobody decided, and sign-ins that nobody finished or whose time is over. The guard is with the lock; a
   * second one would make the planner read everything that it holds for.
   */
  async lapseDue(): Promise<void> {
    const [, requests] = await this.database.query<[unknown[], number]>(
      `UPDATE requests SET state = 'lapsed', revision = revision + 1, decided_at = clock_timestamp()
       WHERE id = ANY(ARRAY(SELECT id FROM requests WHERE state = 'pending' AND lapses_at <= (SELECT clock_timestamp())
                            LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`,
    );
    if (requests > 0) failpoint('deadlines.requests_lapsed');
    const [, pending] = await this.database.query<[unknown[], number]>(
      `UPDATE sign_ins SET state = 'lapsed', revision = revision + 1, device_code_sealed = NULL
       WHERE id = ANY(ARRAY(SELECT id FROM sign_ins WHERE state = 'pending' AND lapses_at <= (SELECT clock_timestamp())
                            LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`,
    );
    if (pending > 0) failpoint('deadlines.sign_ins_lapsed');
    const [, expired] = await this.database.query<[unknown[], number]>(
      `UPDATE sign_ins SET state = 'ended', revision = revision + 1, end_reason = 'expired'
       WHERE id = ANY(ARRAY(SELECT id FROM sign_ins WHERE state = 'completed' AND ends_at <= (SELECT clock_timestamp())
                            LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`,
    );
    if (expired > 0) failpoint('deadlines.sign_ins_ended');
  }

  /** @param guard the predicate of the partial index over `column` */
  async #end(column: 'ends_at' | 'activate_by', guard: string): Promise<EndedRow[]> {
    return this.database.query(
      // Whatever one pass ends bears one id, from the decision to the provider's call.
      `WITH pass AS MATERIALIZED (
         SELECT set_config('curfew.correlation', gen_random_uuid()::text, true) AS correlation
       ), due AS MATERIALIZED (
         SELECT ctid FROM grants WHERE ${guard} AND ${column} <= (SELECT clock_timestamp())
         ORDER BY ${column} LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
       ), decided AS (
         UPDATE grants g SET state = 'ending', revision = revision + 1, ending_at = clock_timestamp(),
           end_reason = CASE WHEN state = 'active' THEN 'expired' ELSE 'failed' END,
           failure = CASE WHEN state = 'active' THEN NULL ELSE coalesce(
             (SELECT last_error FROM operations o WHERE o.subject_id = g.id AND o.finished_at IS NULL), 'access.not_begun_in_time') END
         WHERE ctid = ANY(ARRAY(SELECT ctid FROM due)) AND ${guard} AND (SELECT correlation FROM pass) IS NOT NULL
         RETURNING id, target_id, extract(epoch FROM ending_at - ${column}) * 1000 AS late_ms
       ), asked AS (
         INSERT INTO operations (kind, subject_id, target_id, correlation) SELECT 'end', id, target_id, (SELECT correlation FROM pass) FROM decided
         ON CONFLICT (subject_id) WHERE finished_at IS NULL DO UPDATE
         SET kind = 'end', correlation = excluded.correlation, fence = operations.fence + 1, attempt = 0, run_after = clock_timestamp(), lease_owner = NULL,
             lease_ends_at = NULL, step = NULL, last_error = NULL
         RETURNING id, fence, subject_id
       )
       SELECT asked.id, asked.fence, decided.late_ms FROM asked JOIN decided ON decided.id = asked.subject_id`,
    );
  }

  async #next(): Promise<number | undefined> {
    const [row] = await this.database.query<{ ms: string | null }[]>(
      `SELECT extract(epoch FROM least(
         (SELECT min(ends_at) FROM grants WHERE state IN ('scheduled', 'activating', 'active')),
         (SELECT min(activate_by) FROM grants WHERE state IN ('scheduled', 'activating'))) - clock_timestamp()) * 1000 AS ms`,
    );
    return row?.ms === null || row === undefined ? undefined : Math.max(0, Number(row.ms));
  }
}
