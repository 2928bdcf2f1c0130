import { setTimeout } from 'node:timers/promises';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import pg from 'pg';
import type { Secret } from '@app/kernel';
import type { TargetNetworks } from '../target-networks';
import type { Budget } from './budget';
import { AuthenticationTooWeak, ConnectionFailed } from './postgres.errors';
import type { PostgresConnection } from './postgres.schemas';

const CONNECT_MS = 5_000;
const STATEMENT_MS = 10_000;
const LOCK_MS = 3_000;
/** A worker that sleeps in the midst of a change holds it up no longer: whoever takes its lease over is to find nothing held. */
const IDLE_IN_TRANSACTION_MS = 4_000;
const CLOSE_MS = 500;

// What a hostile object in a schema of the database could be called by, and what a setting of the role or of the
// database could change under us, is fixed for the session.
const SETTINGS = [
  '-c search_path=pg_catalog',
  '-c default_transaction_isolation=read\\ committed',
  '-c default_transaction_read_only=off',
  '-c client_min_messages=error',
  '-c timezone=UTC',
  '-c datestyle=ISO',
].join(' ');

/** A server, and where it may be at all. */
export interface ServerAddress extends PostgresConnection {
  readonly networks: TargetNetworks;
}

/** Who goes where, under which name. */
export interface Way {
  readonly connection: ServerAddress;
  readonly user: string;
  readonly password: Secret<string>;
  readonly database: string;
  /** Shown in `pg_stat_activity`. At most 63 bytes. */
  readonly applicationName: string;
}

/** One short-lived connection on which nothing waits longer than the budget of the call. */
export class Session {
  readonly #client: pg.Client;
  readonly #budget: Budget;

  private constructor(client: pg.Client, budget: Budget) {
    this.#client = client;
    this.#budget = budget;
  }

  /** Opens a connection, lets the work use it, and closes it however the work ends. */
  static async with<T>(way: Way, budget: Budget, work: (session: Session) => Promise<T>): Promise<T> {
    const client = new pg.Client(configOf(way, budget));
    client.on('error', () => undefined); // the next query says so
    if (way.connection.tls.mode === 'disable') acceptOnlyScram(client);
    try {
      await client.connect().catch(fail);
      return await work(new Session(client, budget));
    } finally {
      await close(client);
    }
  }

  async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    const query_timeout = this.#budget.atMost(STATEMENT_MS + LOCK_MS);
    const query: pg.QueryConfig & { query_timeout: number } = { text, values: [...values], query_timeout };
    const { rows } = await this.#client.query(query).catch(fail);
    return rows as R[];
  }

  /** For a query that always has exactly one row. */
  async one<R extends object>(text: string, values: readonly unknown[] = []): Promise<R> {
    const [row] = await this.query<R>(text, values);
    if (row === undefined) throw new ConnectionFailed(new Error('a row was expected'));
    return row;
  }

  /** All of the work or none of it: a connection that broke meanwhile rolls back by itself. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query('BEGIN');
    try {
      const result = await work();
      await this.query('COMMIT');
      return result;
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) await this.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }
}

function configOf(way: Way, budget: Budget): pg.ClientConfig {
  const { connection } = way;
  return {
    host: connection.host,
    port: connection.port,
    stream: () => connection.networks.socket(),
    user: way.user,
    password: way.password.reveal(),
    database: way.database,
    application_name: way.applicationName,
    ssl: tlsOf(connection),
    options: SETTINGS,
    connectionTimeoutMillis: budget.atMost(CONNECT_MS),
    statement_timeout: STATEMENT_MS,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    enableChannelBinding: connection.tls.mode !== 'disable',
  };
}

function tlsOf({ tls }: PostgresConnection): ConnectionOptions | false {
  if (tls.mode === 'disable') return false;
  const { ca, serverName } = tls;
  return {
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca }),
    ...(serverName !== undefined && {
      servername: serverName,
      checkServerIdentity: (_host: string, certificate) => checkServerIdentity(serverName, certificate),
    }),
  };
}

/** Hangs up before the driver answers: it would send the password, or an MD5 hash that is as good. */
function acceptOnlyScram(client: pg.Client): void {
  for (const request of ['authenticationCleartextPassword', 'authenticationMD5Password']) {
    client.connection.once(request, () => client.connection.stream.destroy(new AuthenticationTooWeak()));
  }
}

function fail(error: unknown): never {
  throw error instanceof pg.DatabaseError ? error : new ConnectionFailed(error);
}

/** Says goodbye, and hangs up on a server that does not answer to it. */
async function close(client: pg.Client): Promise<void> {
  const given = new AbortController();
  const patience = setTimeout(CLOSE_MS, undefined, { signal: given.signal }).catch(() => undefined);
  await Promise.race([client.end().catch(() => undefined), patience]);
  given.abort();
  client.connection.stream.destroy();
}
