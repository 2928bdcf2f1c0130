import { Pool } from 'pg';
import { waitFor } from '../../scripts/waiting';
import type { Trial } from './trial';

const DUMP = 'curfew_yesterday';
const PATIENCE_MS = 20_000;

/**
 * A dump of Curfew's own database, and nothing else of its server: the targets' roles, which are on the same one in a
 * trial, are not taken back in time with it. The embedded binaries have no `pg_dump`: it is a copy of the database,
 * made when nobody was in it.
 */
export class Dump {
  private constructor(private readonly server: Pool) {}

  static async of({ service }: Trial): Promise<Dump> {
    const url = new URL(service.databaseUrl);
    url.pathname = '/postgres';
    const dump = new Dump(new Pool({ connectionString: url.href, max: 1 }));
    await dump.#alone(async () => {
      await dump.server.query(`CREATE DATABASE ${DUMP} TEMPLATE curfew`);
    });
    return dump;
  }

  /** As the runbook says: nothing of Curfew runs meanwhile, or it cannot come in. */
  async restore(): Promise<void> {
    await this.#alone(async () => {
      await this.server.query('DROP DATABASE curfew WITH (FORCE)');
      await this.server.query(`ALTER DATABASE ${DUMP} RENAME TO curfew`);
    });
  }

  async forget(): Promise<void> {
    try {
      await this.server.query(`DROP DATABASE IF EXISTS ${DUMP}`);
    } finally {
      await this.server.end();
    }
  }

  /** With nobody in the database, and nobody coming in. */
  async #alone(work: () => Promise<void>): Promise<void> {
    await this.server.query('ALTER DATABASE curfew ALLOW_CONNECTIONS false');
    try {
      const gone = await waitFor(async () => {
        const { rowCount } = await this.server.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'curfew'`,
        );
        return rowCount === 0 ? true : undefined;
      }, PATIENCE_MS);
      if (!gone) throw new Error('somebody stays in the database');
      await work();
    } finally {
      await this.server.query('ALTER DATABASE curfew ALLOW_CONNECTIONS true');
    }
  }
}
