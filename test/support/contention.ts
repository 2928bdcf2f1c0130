import pg from 'pg';
import { waitFor } from '../../scripts/waiting';

const PATIENCE_MS = 15_000;

/** A row that is held by somebody else. */
export interface HeldRow {
  /** Waits until exactly so many sessions of this database wait for a lock, for the row or behind one another. */
  blocked(sessions: number): Promise<void>;
  /** Lets go. */
  release(): Promise<void>;
}

/**
 * Takes what the statement takes, in a transaction of somebody else's, until it is let go.
 *
 * @param sql `SELECT … FOR UPDATE`, or an `INSERT` that is taken back in the end
 */
export async function holding(url: string, sql: string, parameters: unknown[] = []): Promise<HeldRow> {
  const client = new pg.Client({ connectionString: url });
  // Another one looks: within a transaction, `pg_stat_activity` stands still.
  const watcher = new pg.Client({ connectionString: url });
  await Promise.all([client.connect(), watcher.connect()]);
  await client.query('BEGIN');
  await client.query(sql, parameters);
  return {
    async blocked(sessions) {
      const seen = await waitFor(async () => {
        const waiting = await blockedSessions(watcher);
        return waiting === sessions ? true : undefined;
      }, PATIENCE_MS);
      if (!seen) throw new Error(`${await blockedSessions(watcher)} sessions wait, not ${sessions}`);
    },
    async release() {
      await client.query('ROLLBACK');
      await Promise.all([client.end(), watcher.end()]);
    },
  };
}

async function blockedSessions(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0`,
  );
  return rows[0]?.count ?? 0;
}

/**
 * Lets everybody run into the same held row, one after the other, and then lets go: all are in the middle of it, and the
 * first in line comes first.
 */
export async function inLine<T>(
  held: HeldRow,
  contenders: readonly (() => Promise<T>)[],
): Promise<PromiseSettledResult<T>[]> {
  const running: Promise<T>[] = [];
  try {
    for (const contender of contenders) {
      const run = contender();
      run.catch(() => undefined);
      running.push(run);
      await held.blocked(running.length);
    }
  } finally {
    await held.release();
  }
  return Promise.allSettled(running);
}
