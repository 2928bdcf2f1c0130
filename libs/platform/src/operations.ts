import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { AppError } from '@app/kernel';
import type { Transaction } from './database';

/** A lease lives this long without being renewed: another worker takes over after it. */
export const LEASE_SECONDS = 6;

export type OperationKind = 'begin' | 'end' | 'tidy' | 'replace' | 'reevaluate' | 'remove';

/** A piece of work that this process holds the lease on. */
export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly subjectId: string;
  readonly fence: string;
  readonly attempt: number;
  readonly correlation: string;
  readonly createdAt: Date;
}

/** An unfinished operation, enough to ring for it. */
export interface OpenOperation {
  readonly id: string;
  readonly fence: string;
}

/** Work that stands in one line: the ends at one target, or whatever else is to be done there. */
export interface Line {
  /** The target, or {@link NO_TARGET}. */
  readonly target: string;
  readonly ends: boolean;
}

export interface DueOperation extends OpenOperation, Line {}

/** What a worker has in its hands, and how much of one line it takes at most. */
export interface Share {
  readonly perLine: number;
  readonly underWay: readonly (Line & { readonly count: number })[];
}

/** The line of work that touches no target. */
export const NO_TARGET = '00000000-0000-0000-0000-000000000000';

/** Asking for work: at a target, or, where grants are judged again, at none. */
export type WorkOrder = { readonly subjectId: string; readonly correlation: string } & (
  { readonly kind: Exclude<OperationKind, 'reevaluate'>; readonly targetId: string } | { readonly kind: 'reevaluate' }
);

/** The lease is gone: another worker has it, or the work has another purpose now. Nothing was changed. */
export class LeaseLost extends AppError {
  constructor(id: string) {
    super({
      kind: 'conflict',
      code: 'operation.lease_lost',
      message: 'another worker has taken this operation over',
      details: { operation: id },
    });
  }
}

const targetOf = (work: WorkOrder): string | null => (work.kind === 'reevaluate' ? null : work.targetId);

/** From when on nobody has it: `operations_due_of_target` is over this, by target, ends apart. */
const DUE_AT = 'greatest(run_after, lease_ends_at)';
const TARGET = `coalesce(target_id, '${NO_TARGET}')`;

/** The lines in which there is open work, whether it is due or not: a look into the index for each target, however long its lines. */
const LINES = `
  WITH RECURSIVE found AS (
    (SELECT ${TARGET} AS target FROM operations WHERE finished_at IS NULL ORDER BY ${TARGET} LIMIT 1)
    UNION ALL
    SELECT (SELECT ${TARGET} FROM operations WHERE finished_at IS NULL AND ${TARGET} > found.target ORDER BY ${TARGET} LIMIT 1)
      FROM found WHERE found.target IS NOT NULL
  ), lines AS (
    SELECT target, ends FROM found CROSS JOIN (VALUES (true), (false)) AS kinds (ends) WHERE target IS NOT NULL
  )`;
/** What is due in one of the `lines`. */
const DUE_IN_LINE = `finished_at IS NULL AND ${TARGET} = lines.target AND (kind = 'end') = lines.ends
  AND ${DUE_AT} <= (SELECT clock_timestamp())`;

const requested = new WeakMap<Transaction, readonly OpenOperation[]>();

const COLUMNS = 'id, kind, subject_id AS "subjectId", fence, attempt, correlation, created_at AS "createdAt"';

/**
 * The durable work list. Rows are written in the transaction that makes the work necessary; a worker claims one by a
 * guarded UPDATE, and every outcome names the fence it was claimed with.
 */
export class Operations {
  /** This process, in the lease. */
  private readonly owner = randomUUID();

  constructor(readonly database: DataSource) {}

  /** Asks for work on a subject. Unfinished work on it gets the new purpose, and whoever is at it loses the lease. */
  static async request(tx: Transaction, work: WorkOrder): Promise<OpenOperation> {
    const [row] = await tx.query<OpenOperation[]>(
      `INSERT INTO operations (kind, subject_id, correlation, target_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT (subject_id) WHERE finished_at IS NULL DO UPDATE
       SET kind = excluded.kind, correlation = excluded.correlation, fence = operations.fence + 1, attempt = 0,
           run_after = clock_timestamp(), lease_owner = NULL, lease_ends_at = NULL, step = NULL, last_error = NULL
       RETURNING id, fence`,
      [work.kind, work.subjectId, work.correlation, targetOf(work)],
    );
    if (!row) throw new Error('an operation was not written');
    requested.set(tx, [...Operations.requestedIn(tx), row]);
    return row;
  }

  /** Asks for work on a subject on which there is none: what is under way keeps its purpose. @returns nothing then */
  static async requestWhenIdle(tx: Transaction, work: WorkOrder): Promise<OpenOperation | undefined> {
    const [row] = await tx.query<OpenOperation[]>(
      `INSERT INTO operations (kind, subject_id, correlation, target_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT (subject_id) WHERE finished_at IS NULL DO NOTHING RETURNING id, fence`,
      [work.kind, work.subjectId, work.correlation, targetOf(work)],
    );
    if (row) requested.set(tx, [...Operations.requestedIn(tx), row]);
    return row;
  }

  /** Asks for work at a later time. Unfinished work on the subject is done as well, and no later than it would have been. */
  static async requestAt(tx: Transaction, work: WorkOrder & { readonly at: Date }): Promise<void> {
    await tx.query(
      `INSERT INTO operations (kind, subject_id, correlation, target_id, run_after) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (subject_id) WHERE finished_at IS NULL DO UPDATE
       SET run_after = least(operations.run_after, excluded.run_after)`,
      [work.kind, work.subjectId, work.correlation, targetOf(work), work.at],
    );
  }

  /** What was asked for in a transaction: to ring for, once it is committed. */
  static requestedIn(tx: Transaction): readonly OpenOperation[] {
    return requested.get(tx) ?? [];
  }

  /** @returns the operation with a fresh lease, or `undefined` when it is finished, taken, or not due */
  async claim(id: string): Promise<Operation | undefined> {
    const [rows] = await this.database.query<[Operation[], number]>(
      `UPDATE operations SET lease_owner = $2, lease_ends_at = clock_timestamp() + make_interval(secs => $3),
         fence = fence + 1, attempt = attempt + 1
       WHERE id = $1 AND finished_at IS NULL AND greatest(run_after, lease_ends_at) <= clock_timestamp()
       RETURNING ${COLUMNS}`,
      [id, this.owner, LEASE_SECONDS],
    );
    return rows[0];
  }

  /**
   * Claims the other ends that are due at the same target for the same cause.
   *
   * @param except a `step`: what has come to it is left alone
   */
  async claimEndsBeside(first: Operation, { most, except }: { most: number; except: string }): Promise<Operation[]> {
    const [rows] = await this.database.query<[Operation[], number]>(
      `UPDATE operations SET lease_owner = $2, lease_ends_at = clock_timestamp() + make_interval(secs => $3),
         fence = fence + 1, attempt = attempt + 1
       WHERE id = ANY(ARRAY(
         SELECT id FROM operations
         WHERE finished_at IS NULL AND ${TARGET} = (SELECT ${TARGET} FROM operations WHERE id = $1) AND (kind = 'end') = true
           AND ${DUE_AT} <= (SELECT clock_timestamp()) AND correlation = $6 AND step IS DISTINCT FROM $5
         LIMIT $4 FOR UPDATE SKIP LOCKED))
       RETURNING ${COLUMNS}`,
      [first.id, this.owner, LEASE_SECONDS, most, except, first.correlation],
    );
    return rows;
  }

  /**
   * What is due and taken by nobody: ends first; then the lines of which least is under way; then the longest waiting.
   *
   * @param share without it, a line is as long as it is
   */
  async due(limit: number, share?: Share): Promise<DueOperation[]> {
    const underWay = share?.underWay ?? [];
    return this.database.query(
      `${LINES}
       SELECT next.id, next.fence, lines.target, lines.ends
       FROM lines
       LEFT JOIN unnest($2::uuid[], $3::boolean[], $4::integer[]) AS busy (target, ends, count) USING (target, ends)
       CROSS JOIN LATERAL (
         SELECT id, fence, ${DUE_AT} AS due_at, row_number() OVER (ORDER BY ${DUE_AT}) AS place
         FROM operations WHERE ${DUE_IN_LINE}
         ORDER BY ${DUE_AT} LIMIT least($1::integer, greatest($5::integer - coalesce(busy.count, 0), 0))
       ) AS next
       ORDER BY lines.ends DESC, coalesce(busy.count, 0) + next.place, next.due_at LIMIT $1::integer`,
      [
        limit,
        underWay.map(({ target }) => target),
        underWay.map(({ ends }) => ends),
        underWay.map(({ count }) => count),
        share?.perLine ?? limit,
      ],
    );
  }

  /** @throws LeaseLost */
  async renew(operation: Operation): Promise<void> {
    const [, affected] = await this.database.query<[unknown[], number]>(
      `UPDATE operations SET lease_ends_at = clock_timestamp() + make_interval(secs => $3)
       WHERE id = $1 AND fence = $2 AND finished_at IS NULL AND lease_ends_at > clock_timestamp()`,
      [operation.id, operation.fence, LEASE_SECONDS],
    );
    if (affected !== 1) throw new LeaseLost(operation.id);
  }

  /** Says in the caller's transaction that the work is done. @throws LeaseLost */
  static async finish(tx: Transaction, operation: Operation): Promise<void> {
    const [, affected] = await tx.query<[unknown[], number]>(
      `UPDATE operations SET finished_at = clock_timestamp(), lease_owner = NULL, lease_ends_at = NULL
       WHERE id = $1 AND fence = $2 AND finished_at IS NULL`,
      [operation.id, operation.fence],
    );
    if (affected !== 1) throw new LeaseLost(operation.id);
  }

  /** Says in the caller's transaction that there is nothing to do until then. @throws LeaseLost */
  static async rest(tx: Transaction, operation: Operation, until: Date): Promise<void> {
    const [, affected] = await tx.query<[unknown[], number]>(
      `UPDATE operations SET run_after = $3, attempt = 0, lease_owner = NULL, lease_ends_at = NULL, step = NULL, last_error = NULL
       WHERE id = $1 AND fence = $2 AND finished_at IS NULL`,
      [operation.id, operation.fence, until],
    );
    if (affected !== 1) throw new LeaseLost(operation.id);
  }

  /** Says in the caller's transaction that there is nothing to do any more: whoever is at it loses the lease. */
  static async withdraw(tx: Transaction, subjectId: string): Promise<void> {
    await tx.query(
      `UPDATE operations SET finished_at = clock_timestamp(), fence = fence + 1, lease_owner = NULL, lease_ends_at = NULL
       WHERE subject_id = $1 AND finished_at IS NULL`,
      [subjectId],
    );
  }

  /** Makes sure, in the caller's transaction, that the lease still is this worker's. @throws LeaseLost */
  static async hold(tx: Transaction, operation: Operation, step: string): Promise<void> {
    const [, affected] = await tx.query<[unknown[], number]>(
      'UPDATE operations SET step = $3 WHERE id = $1 AND fence = $2 AND finished_at IS NULL',
      [operation.id, operation.fence, step],
    );
    if (affected !== 1) throw new LeaseLost(operation.id);
  }

  /** Gives the work back, to be tried again after a pause. A lease that is lost already is left alone. */
  async postpone(operation: Operation, pauseSeconds: number, errorCode: string): Promise<void> {
    await this.database.query(
      `UPDATE operations SET run_after = clock_timestamp() + make_interval(secs => $3), lease_owner = NULL,
         lease_ends_at = NULL, last_error = $4
       WHERE id = $1 AND fence = $2 AND finished_at IS NULL`,
      [operation.id, operation.fence, pauseSeconds, errorCode],
    );
  }

  /** The age of the oldest operation that is due and not taken, in seconds; 0 when there is none. */
  async oldestSeconds(): Promise<number> {
    const [row] = await this.database.query<{ seconds: string | null }[]>(
      `${LINES}
       SELECT extract(epoch FROM clock_timestamp() - min(due_at)) AS seconds FROM lines
       CROSS JOIN LATERAL (SELECT ${DUE_AT} AS due_at FROM operations WHERE ${DUE_IN_LINE} ORDER BY ${DUE_AT} LIMIT 1) AS next`,
    );
    return Math.max(0, Number(row?.seconds ?? 0));
  }

  /** Forgets finished work after a day: the outcome is in the subject's own row and in the record. */
  async sweep(): Promise<void> {
    await this.database.query(
      `DELETE FROM operations WHERE finished_at < (SELECT clock_timestamp()) - interval '1 day'`,
    );
  }
}
