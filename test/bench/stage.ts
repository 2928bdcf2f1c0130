import { Pool } from 'pg';
import { APPS, paths } from '../../scripts/clone';
import { waitFor } from '../../scripts/waiting';
import { aRedis, type RedisServer } from '../support/redis';
import { RunningService } from '../support/service';

export type Backend = 'PostgreSQL' | 'Redis';

const ALL: readonly Backend[] = ['PostgreSQL', 'Redis'];
const WANTED = (process.env['CURFEW_BENCH_BACKENDS'] ?? ALL.join()).split(',');
/** Those that are measured. */
export const BACKENDS = ALL.filter((backend) => WANTED.includes(backend));

/** All of Curfew as `npm start` starts it, and the times at which its transactions were committed. */
export class BenchStage {
  private constructor(
    readonly backend: Backend,
    readonly service: RunningService,
    private readonly redis: RedisServer | undefined,
  ) {
    const url = new URL(service.databaseUrl);
    this.database = opened(url.href);
    url.pathname = '/orders';
    this.target = opened(url.href);
  }

  /** Curfew's own database and the target's, as their superuser. */
  readonly database: Pool;
  readonly target: Pool;

  /** @param commitTimes whether the times of commits are to be known: for that the database is restarted once */
  static async begin(
    backend: Backend,
    more: NodeJS.ProcessEnv = {},
    { commitTimes = true }: { commitTimes?: boolean } = {},
  ): Promise<BenchStage> {
    const redis = backend === 'Redis' ? await aRedis() : undefined;
    const service = await RunningService.start({
      LOG_LEVEL: 'info',
      PICK_UPS_PER_MINUTE: '10000',
      SIGN_INS_PER_MINUTE: '10000',
      ...(redis && { REDIS_URL: redis.url }),
      ...more,
    });
    const stage = new BenchStage(backend, service, redis);
    if (commitTimes) await stage.#recordCommitTimes();
    return stage;
  }

  /** The file of the key that only the prover has. */
  get proofKey(): string {
    return paths.proofKey(this.service.clone);
  }

  async end(): Promise<void> {
    await Promise.all([this.database.end(), this.target.end()]);
    await this.service.stop();
    await this.redis?.stop();
  }

  /** A moment that somebody writes down is before the moment in which others can see it. */
  async #recordCommitTimes(): Promise<void> {
    await this.database.query('ALTER SYSTEM SET track_commit_timestamp = on');
    const before = this.service.run.database!.pid!;
    process.kill(before, 'SIGINT');
    const restarted = async (): Promise<true | undefined> => {
      const { database, processes } = this.service.run;
      if (database?.pid === undefined || database.pid === before) return undefined;
      if (!APPS.every((name) => processes[name]?.state === 'ready')) return undefined;
      const { rows } = await this.database.query<{ on: string }>(
        `SELECT current_setting('track_commit_timestamp') AS on`,
      );
      return rows[0]?.on === 'on' ? true : undefined;
    };
    if (!(await waitFor(() => restarted().catch(() => undefined), 60_000, 100)))
      throw new Error('the database was not restarted');
  }
}

function opened(connectionString: string): Pool {
  const pool = new Pool({ connectionString, max: 10 });
  pool.on('error', () => undefined); // the database is restarted once
  return pool;
}
