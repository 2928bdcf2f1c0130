import { existsSync } from 'node:fs';
import pg from 'pg';
import { run } from './child.ts';
import { paths, type AppName, type Clone } from './clone.ts';
import { startServer, type Server } from './embedded-postgres.ts';
import { Failure } from './failure.ts';
import { assertRights } from './rights.ts';
import type { DatabaseSecrets } from './secrets.ts';

const DATABASE = 'curfew';
const OLDEST_SERVER = 16;

/** Curfew's own database: on a server of ours, or where `DATABASE_URL` says. */
export interface Database {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  /** Of the role that owns the database and may create roles. */
  readonly ownerUrl: string;
  /** Undefined: somebody else's. */
  readonly server: Server | undefined;
}

export async function openEmbedded(
  clone: Clone,
  secrets: DatabaseSecrets,
  port: number | undefined,
): Promise<Database> {
  const folder = secrets.serverFolder;
  const password = secrets.superuserPassword;
  const server = await startServer({ folder, logFile: paths.log(clone, 'postgres'), password, port, durable: true });
  await withClient(server.url('postgres'), async (client) => {
    await createDatabase(client, DATABASE);
    // Whoever is let into one database of this server has no business in the others.
    await client.query(`REVOKE ALL ON DATABASE postgres, template1, ${DATABASE} FROM PUBLIC`);
  });
  return { host: server.host, port: server.port, name: DATABASE, ownerUrl: server.url(DATABASE), server };
}

/** @param beside a database that has to be on the same server too @throws Failure when Curfew cannot be there */
export async function openExternal(url: string, beside?: string): Promise<Database> {
  const { hostname, pathname, port } = parse(url);
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ version: string }>(`SELECT current_setting('server_version_num') AS version`);
    const version = Math.floor(Number(rows[0]?.version) / 10_000);
    if (version < OLDEST_SERVER)
      throw new Failure(
        `Curfew's own database needs PostgreSQL ${OLDEST_SERVER} or later; DATABASE_URL leads to ${version}`,
      );
    await assertRights(client, beside !== undefined && !(await databaseExists(client, beside)));
  }).catch((cause: Error) => {
    if (cause instanceof Failure) throw cause;
    throw new Failure('the database in DATABASE_URL does not let us in', [cause.message], cause);
  });
  const host = hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: Number(port || 5_432),
    name: decodeURIComponent(pathname.slice(1)),
    ownerUrl: url,
    server: undefined,
  };
}

/** The URL of another user or database of the same server. */
export function urlFor(url: string, to: { user?: string; password?: string; database?: string }): string {
  const changed = parse(url);
  if (to.user !== undefined) changed.username = encodeURIComponent(to.user);
  if (to.password !== undefined) changed.password = encodeURIComponent(to.password);
  if (to.database !== undefined) changed.pathname = `/${encodeURIComponent(to.database)}`;
  return changed.href;
}

/** @returns whether it was made now */
export async function createDatabase(client: pg.Client, name: string): Promise<boolean> {
  if (await databaseExists(client, name)) return false;
  await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  return true;
}

async function databaseExists(client: pg.Client, name: string): Promise<boolean> {
  return (await client.query('SELECT FROM pg_database WHERE datname = $1', [name])).rowCount !== 0;
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'curfew-start',
  });
  client.on('error', () => undefined); // the query that is under way fails with it
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The migration step: the only one that becomes the owner. */
export async function migrate(
  clone: Clone,
  database: Database,
  passwords: Readonly<Record<AppName, string>>,
  options: { env: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<void> {
  const env = {
    ...options.env,
    DATABASE_URL: database.ownerUrl,
    API_DATABASE_PASSWORD: passwords.api,
    WORKER_DATABASE_PASSWORD: passwords.worker,
    TIMEKEEPER_DATABASE_PASSWORD: passwords.timekeeper,
  };
  const main = paths.app(clone, 'migrate');
  if (!existsSync(main)) throw new Failure(`${main} is missing`, ['Remove the folder dist, and start again.']);
  const command = [process.execPath, '--enable-source-maps', main] as const;
  const { status, output } = await run([...command], { cwd: clone.root, env, signal: options.signal });
  if (status !== 0) throw new Failure('The database could not be migrated', output.trim().split('\n').slice(-12));
}

function parse(url: string): URL {
  const parsed = URL.parse(url);
  if (parsed && /^postgres(ql)?:$/.test(parsed.protocol) && parsed.pathname.length > 1) return parsed;
  throw new Failure('DATABASE_URL is not the URL of a database', ['postgres://user:password@host:5432/database']);
}
