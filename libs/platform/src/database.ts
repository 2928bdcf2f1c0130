import { DataSource, type EntityManager, type EntitySchema } from 'typeorm';
import type { Secret } from '@app/kernel';
import { ImpatientClient } from './impatient-client';
import { assertSchemaVersion } from './schema-version';

/** What every change goes through: the manager of one running transaction. */
export type Transaction = EntityManager;

/**
 * A process that sleeps, or hangs, in the midst of writing something down holds it no longer than this: less than its
 * lease, so that whoever takes over does not wait for it.
 */
const IDLE_IN_TRANSACTION_MS = 4_000;

type Entity = EntitySchema | (new () => object);

export interface DatabaseOptions {
  readonly url: Secret<string>;
  /** `curfew-api`, `curfew-worker`, …: what `pg_stat_activity` shows. */
  readonly applicationName: string;
  readonly entities: readonly Entity[];
  /** The most connections this process takes. Separate duties have separate pools. */
  readonly connections: number;
  /** The longest a statement may take, in milliseconds. */
  readonly statementTimeoutMs?: number;
  /** Settings of every session, for a process whose every change has the same actor: `{ 'curfew.actor': 'timekeeper' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly onError: (error: unknown) => void;
}

/**
 * Opens the pool and checks the schema version. TypeORM never changes the schema.
 *
 * @throws WrongSchemaVersion
 */
export async function openDatabase(options: DatabaseOptions): Promise<DataSource> {
  const timeout = options.statementTimeoutMs ?? 10_000;
  const database = new DataSource({
    type: 'postgres',
    url: options.url.reveal(),
    applicationName: options.applicationName,
    entities: [...options.entities],
    synchronize: false,
    installExtensions: false,
    logging: false,
    poolSize: options.connections,
    connectTimeoutMS: 5_000,
    // Without a listener a lost idle connection would end the process.
    poolErrorHandler: options.onError,
    extra: {
      Client: ImpatientClient,
      statement_timeout: timeout,
      // The server's timeout is of no use when its answer does not come through.
      query_timeout: timeout + 1_000,
      idle_in_transaction_session_timeout: Math.min(timeout, IDLE_IN_TRANSACTION_MS),
      keepAlive: true,
      options: Object.entries({ timezone: 'UTC', ...options.settings })
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    },
  });
  await database.initialize();
  try {
    await assertSchemaVersion(database);
  } catch (error) {
    await database.destroy();
    throw error;
  }
  return database;
}
