import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

/** What the global setup tells every test file about the server of this run. */
export interface ServerOfThisRun {
  readonly host: string;
  readonly port: number;
  /** A migrated database that nobody connects to: it is only copied. */
  readonly template: string;
  readonly superuser: string;
  readonly superuserPassword: string;
  /** Of the roles `curfew_api`, `curfew_worker` and `curfew_timekeeper`. */
  readonly passwords: Readonly<Record<ProcessName, string>>;
}

export type ProcessName = 'api' | 'worker' | 'timekeeper';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: ServerOfThisRun;
  }
}

export interface TestDatabase {
  readonly name: string;
  /** `owner` is the superuser: for arranging a test and for looking behind the curtain. The others are the processes' own. */
  readonly urls: Readonly<Record<ProcessName | 'owner', string>>;
  /** Ends every session and removes the database. */
  drop(): Promise<void>;
}

/** The real server of this test run, for tests that make databases and roles of their own. Roles are the server's: name them uniquely. */
export function aServer(): { host: string; port: number; superuserUrl(database?: string): string } {
  const { host, port, superuser, superuserPassword } = inject('postgres');
  return { host, port, superuserUrl: (database = 'postgres') => urlOf(database, superuser, superuserPassword) };
}

/** The superuser's URL of a database of this run's server. */
export function superuserUrl(database?: string): string {
  return aServer().superuserUrl(database);
}

/** A database of one's own: a fresh copy of the migrated template, privileges and settings of the database included. */
export async function aDatabase(): Promise<TestDatabase> {
  const { passwords, template } = inject('postgres');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asSuperuser(async (client) => {
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    for (const statement of await databaseProperties(client, template, name)) await client.query(statement);
  });
  const of = (process: ProcessName): string => urlOf(name, `curfew_${process}`, passwords[process]);
  return {
    name,
    urls: { owner: superuserUrl(name), api: of('api'), worker: of('worker'), timekeeper: of('timekeeper') },
    drop: () =>
      asSuperuser(async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }),
  };
}

async function asSuperuser(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl() });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** What `CREATE DATABASE … TEMPLATE` leaves behind: who may connect, and the settings of the database, for all and per role. */
async function databaseProperties(client: pg.Client, from: string, to: string): Promise<string[]> {
  const { rows } = await client.query<{ statement: string }>(
    `SELECT format('ALTER DATABASE %I OWNER TO %I', $2::text, pg_get_userbyid(datdba)) AS statement
       FROM pg_database WHERE datname = $1
     UNION ALL
     SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text)
       FROM pg_database WHERE datname = $1 AND datacl IS NOT NULL
     UNION ALL
     SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, $2::text,
                   CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
       FROM pg_database, aclexplode(datacl) WHERE datname = $1
     UNION ALL
     SELECT CASE setrole
              WHEN 0 THEN format('ALTER DATABASE %I SET %s = %L', $2::text, split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1))
              ELSE format('ALTER ROLE %I IN DATABASE %I SET %s = %L', pg_get_userbyid(setrole), $2::text,
                          split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1))
            END
       FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase, unnest(setconfig) AS setting
      WHERE datname = $1`,
    [from, to],
  );
  return rows.map((row) => row.statement);
}

function urlOf(database: string, user: string, password: string): string {
  const { host, port } = inject('postgres');
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
}
