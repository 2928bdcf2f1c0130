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

const requested = new WeakMap<Transaction, readonly OpenOperation[]>();

const COLUMNS = 'id, kind, subject_id AS "subjectId", fence, attempt, correlation, created_at AS "createdAt"';

/**
 * The durable work list. Rows are written in the transaction that makes the work necessary; a worker claims one by a
 * guarded UPDATE, and every outcome names the fence it was claimed with.
 */
export class Operations {
  /** This process, in the lease. */
  private readonly owner = randomUUID();

  constructor(private readonly database: DataSource) {}

  /** Asks for work on a subject. Unfinished work on it gets the new purpose, and whoever is at it loses the lease. */
  static async request(
    tx: Transaction,
    work: { kind: OperationKind; subjectId: string; correlation: string },
  ): Promise<OpenOperation> {
    const [row] = await tx.query<OpenOperation[]>(
      `INSERT INTO operations (kind, subject_id, correlation) VALUES ($1, $2, $3)
       ON CONFLICT (subject_id) WHERE finished_at IS NULL DO UPDATE
       SET kind = excluded.kind, correlation = excluded.correlation, fence = operations.fence + 1, attempt = 0,
           run_after = clock_timestamp(), lease_owner = NULL, lease_ends_at = NULL, step = NULL, last_error = NULL
       RETURNING id, fence`,
      [work.kind, work.subjectId, work.correlation],
    );
    if (!row) throw new Error('an operation was not written');
    requested.set(tx, [...Operations.requestedIn(tx), row]);
    return row;
  }

  /** Asks for work on a subject on which there is none: what is under way keeps its purpose. @returns nothing then */
  static async requestWhenIdle(
    tx: Transaction,
    work: { kind: OperationKind; subjectId: string; correlation: string },
  ): Promise<OpenOperation | undefined> {
    const [row] = await tx.query<OpenOperation[]>(
      `INSERT INTO operations (kind, subject_id, correlation) VALUES ($1, $2, $3)
       ON CONFLICT (subject_id) WHERE finished_at IS NULL DO NOTHING RETURNING id, fence`,
      [work.kind, work.subjectId, work.correlation],
    );
    if (row) requested.set(tx, [...Operations.requestedIn(tx), row]);
    return row;
  }

  /** Asks for work at a later time. Unfinished work on the subject is done as well, and no later than it would have been. */
  static async requestAt(
    tx: Transaction,
    work: { kind: OperationKind; subjectId: string; correlation: string; at: Date },
  ): Promise<void> {
    await tx.query(
      `INSERT INTO operations (kind, subject_id, correlation, run_after) VALUES ($1, $2, $3, $4)
       ON CONFLICT (subject_id) WHERE finished_at IS NULL DO UPDATE
       SET run_after = least(operations.run_after, excluded.run_after)`,
      [work.kind, work.subjectId, work.correlation, work.at],
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

  /** What is due and taken by nobody, the longest waiting first. */
  async due(limit: number): Promise<OpenOperation[]> {
    return this.database.query(
      `SELECT id, fence FROM operations
       WHERE finished_at IS NULL AND greatest(run_after, lease_ends_at) <= (SELECT clock_timestamp())
       ORDER BY greatest(run_after, lease_ends_at) LIMIT $1`,
      [limit],
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
      `SELECT extract(epoch FROM clock_timestamp() - min(greatest(run_after, lease_ends_at))) AS seconds FROM operations
       WHERE finished_at IS NULL AND greatest(run_after, lease_ends_at) <= (SELECT clock_timestamp())`,
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
