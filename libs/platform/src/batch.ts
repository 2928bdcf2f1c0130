import type { DataSource, EntityManager } from 'typeorm';
import type { Transaction } from './database';
import { LEASE_SECONDS, Operations, type Operation } from './operations';

/** In `step`: it did not go through together with others. */
const ALONE = 'alone';

const HELD = `FROM unnest($1::uuid[], $2::bigint[]) AS held (id, fence)
  WHERE o.id = held.id AND o.fence = held.fence AND o.finished_at IS NULL`;

/**
 * Ends of one cause at one target that one worker has taken together. Each keeps a fence of its own: where another
 * worker has taken one over, the outcome of that one does not count, and of the others it does.
 */
export class Batch {
  private constructor(
    private readonly database: DataSource,
    readonly first: Operation,
    readonly others: readonly Operation[],
  ) {}

  get members(): readonly Operation[] {
    return [this.first, ...this.others];
  }

  /** What this worker has claimed to end a grant, and the other ends of the same cause at the same target that are due. */
  static async about(operations: Operations, first: Operation, most: number): Promise<Batch> {
    const others = await operations.claimEndsBeside(first, { most: most - 1, except: ALONE });
    return new Batch(operations.database, first, others);
  }

  async renew(): Promise<void> {
    await this.database.query(
      `UPDATE operations o SET lease_ends_at = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}) ${HELD}
         AND o.lease_ends_at > clock_timestamp()`,
      fencesOf(this.members),
    );
  }

  /** @returns those whose lease still is this worker's: the caller's transaction holds them */
  hold(tx: Transaction, step: string): Promise<Operation[]> {
    return this.#held(tx, `UPDATE operations o SET step = $3 ${HELD} RETURNING o.id`, this.members, [step]);
  }

  /** @returns those that were this worker's, and are finished now */
  finish(tx: Transaction, done: readonly Operation[]): Promise<Operation[]> {
    return this.#held(
      tx,
      `UPDATE operations o SET finished_at = clock_timestamp(), lease_owner = NULL, lease_ends_at = NULL ${HELD} RETURNING o.id`,
      done,
    );
  }

  /** Gives them back at once: each is to be carried out by itself, or they are to be taken together again. */
  async giveBack(left: readonly Operation[], how: 'alone' | 'together'): Promise<void> {
    if (left.length === 0) return;
    await this.database.query(
      `UPDATE operations o SET run_after = clock_timestamp(), lease_owner = NULL, lease_ends_at = NULL, step = $3 ${HELD}`,
      [...fencesOf(left), how === 'alone' ? ALONE : null],
    );
  }

  async #held(
    manager: EntityManager,
    sql: string,
    asked: readonly Operation[],
    more: readonly string[] = [],
  ): Promise<Operation[]> {
    const [rows] = await manager.query<[{ id: string }[], number]>(sql, [...fencesOf(asked), ...more]);
    const held = new Set(rows.map(({ id }) => id));
    return asked.filter(({ id }) => held.has(id));
  }
}

const fencesOf = (operations: readonly Operation[]): unknown[] => [
  operations.map(({ id }) => id),
  operations.map(({ fence }) => fence),
];
