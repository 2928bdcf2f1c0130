import { relative, sep } from 'node:path';
import { runMigrations } from 'bullmq';
import pg, { type Client } from 'pg';
import Postgrator from 'postgrator';
import type { Secret } from '@app/kernel';
import { QUEUE_SCHEMA } from '@app/platform/queue';
import { MigrationsChanged, NotThisDatabase, scramVerifier, SCHEMA_VERSION } from '@app/platform';

export const PROCESS_ROLES = ['api', 'worker', 'timekeeper'] as const;
export type ProcessRole = (typeof PROCESS_ROLES)[number];

export interface MigrateOptions {
  /** A role that may create roles and owns the database, or a superuser. */
  readonly ownerUrl: Secret<string>;
  readonly passwords: Readonly<Record<ProcessRole, Secret<string>>>;
  /** The folder of the SQL files. */
  readonly folder?: string;
}

/** Any number, always the same: two migrations at once run one after the other. */
const LOCK = 4_729_533;

/**
 * Brings a database to this version: the roles, the schema, BullMQ's own schema. All of Curfew's SQL runs in one
 * transaction under an advisory lock, as `curfew_owner`; a file that was changed after it ran is refused.
 */
export async function migrateDatabase(options: MigrateOptions): Promise<void> {
  const client = new pg.Client({ connectionString: options.ownerUrl.reveal(), application_name: 'curfew-migrate' });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await prepareRoles(client, options.passwords);
    await migrateSchema(client, options.folder ?? 'migrations');
    await migrateQueue(client);
  } finally {
    await client.end();
  }
}

async function prepareRoles(client: Client, passwords: MigrateOptions['passwords']): Promise<void> {
  await client.query('BEGIN');
  await ensureRole(client, 'curfew_owner', 'NOLOGIN');
  for (const role of PROCESS_ROLES) {
    const verifier = await scramVerifier(passwords[role]);
    await ensureRole(client, `curfew_${role}`, `LOGIN PASSWORD ${client.escapeLiteral(verifier)}`);
  }
  const database = client.escapeIdentifier(await currentDatabase(client));
  await client.query(`GRANT curfew_owner TO CURRENT_USER`);
  await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
  await client.query(`GRANT CREATE ON DATABASE ${database} TO curfew_owner`);
  await client.query(`GRANT CONNECT ON DATABASE ${database} TO curfew_api, curfew_worker, curfew_timekeeper`);
  await client.query('GRANT CREATE, USAGE ON SCHEMA public TO curfew_owner');
  await client.query('REVOKE ALL ON SCHEMA public FROM PUBLIC');
  await client.query('GRANT USAGE ON SCHEMA public TO curfew_api, curfew_worker, curfew_timekeeper');
  await client.query('COMMIT');
}

/** A role belongs to one Curfew database of the server, and says so in its comment: another one does not take it over. */
async function ensureRole(client: Client, role: string, options: string): Promise<void> {
  const mark = `Curfew: database ${await currentDatabase(client)}`;
  const { rows } = await client.query<{ comment: string | null }>(
    `SELECT shobj_description(oid, 'pg_authid') AS comment FROM pg_roles WHERE rolname = $1`,
    [role],
  );
  const comment = rows[0]?.comment;
  if (comment && comment !== mark && (await databaseExists(client, comment))) throw new NotThisDatabase(role, comment);
  await client.query(`${rows.length === 0 ? 'CREATE' : 'ALTER'} ROLE ${role} ${options}`);
  await client.query(`COMMENT ON ROLE ${role} IS ${client.escapeLiteral(mark)}`);
}

async function databaseExists(client: Client, comment: string): Promise<boolean> {
  const { rowCount } = await client.query(`SELECT FROM pg_database WHERE 'Curfew: database ' || datname = $1`, [
    comment,
  ]);
  return rowCount !== 0;
}

async function currentDatabase(client: Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
  return rows[0]?.name ?? '';
}

async function migrateSchema(client: Client, folder: string): Promise<void> {
  await client.query('BEGIN');
  await client.query('SET LOCAL ROLE curfew_owner');
  const postgrator = new Postgrator({
    driver: 'pg',
    database: await currentDatabase(client),
    // Relative: a glob would read brackets in the name of a parent folder as a pattern.
    migrationPattern: `${relative(process.cwd(), folder).split(sep).join('/') || '.'}/*.sql`,
    schemaTable: 'schema_version',
    execQuery: (query) => client.query(query),
  });
  try {
    await postgrator.migrate();
    const version = await postgrator.getDatabaseVersion();
    if (version !== SCHEMA_VERSION) throw new Error(`the database is at ${version}, this build at ${SCHEMA_VERSION}`);
    await client.query('GRANT SELECT ON schema_version TO curfew_api, curfew_worker, curfew_timekeeper');
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new MigrationsChanged(error);
  }
}

async function migrateQueue(client: Client): Promise<void> {
  const schema = client.escapeIdentifier(QUEUE_SCHEMA);
  const roles = 'curfew_api, curfew_worker, curfew_timekeeper';
  await client.query('SET ROLE curfew_owner');
  await runMigrations(client, QUEUE_SCHEMA);
  await client.query(`GRANT USAGE ON SCHEMA ${schema} TO ${roles}`);
  await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${roles}`);
  await client.query(`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${schema} TO ${roles}`);
  await client.query(`GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO ${roles}`);
  await client.query('RESET ROLE');
}
