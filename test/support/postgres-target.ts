import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { Secret } from '@app/kernel';
import {
  TargetNetworks,
  type Credential,
  type EntitlementConfig,
  type GrantRef,
  type IssueOrder,
  type TargetAccess,
} from '@app/providers';
import type { TargetServer } from './target-server';

/** Where the targets of tests are. */
export const ON_LOOPBACK = new TargetNetworks(['127.0.0.0/8']);

const quoted = pg.escapeIdentifier;

/** A database with data in it, the customer's roles, and an account of ours with exactly the rights that the page names. */
export interface PostgresTarget {
  readonly server: TargetServer;
  readonly major: number;
  readonly database: string;
  /** Reads `orders`. */
  readonly reader: string;
  /** Reads and writes `orders`, and may create in the schema `public`. */
  readonly maker: string;
  readonly objectsOwner: string;
  readonly admin: string;
  readonly connection: Record<string, unknown>;
  readonly access: TargetAccess;
  readonly read: EntitlementConfig;
  readonly make: EntitlementConfig;
  /** As the superuser, in the target's database. */
  sql<Row extends object>(...statements: string[]): Promise<Row[]>;
  /** A session with what was handed over. The caller ends it. */
  use(credential: Secret<Credential>): Promise<pg.Client>;
}

export interface TargetOptions {
  /** Put before each name: `trusting`, `we"ird`. */
  readonly prefix?: string;
}

export async function aPostgresTarget(
  server: TargetServer,
  { prefix = '' }: TargetOptions = {},
): Promise<PostgresTarget> {
  const id = randomBytes(4).toString('hex');
  const named = (what: string): string => `${prefix}${what}_${id}`;
  const [database, reader, maker] = [named('orders'), named('reader'), named('maker')];
  const [objectsOwner, admin] = [named('objects'), named('curfew')];
  const password = randomBytes(18).toString('base64url');
  const [{ version }] = (await server.sql<{ version: number }>(
    'postgres',
    `CREATE DATABASE ${quoted(database)}`,
    `SELECT current_setting('server_version_num')::int AS version`,
  )) as [{ version: number }];
  const major = Math.floor(version / 10_000);
  const names = { database, reader, maker, objectsOwner, admin };
  await server.sql(database, ...setup(names, password, major));
  const connection = {
    host: server.host,
    port: server.port,
    database,
    user: admin,
    tls: { mode: 'disable' },
    objectsOwner,
    ...(major < 16 && { acceptCreateroleOn15: true }),
  };
  const entitlement = (name: string, groupRole: string): EntitlementConfig => ({
    name,
    config: { database, groupRole, connectionLimit: 20 },
  });
  return {
    server,
    major,
    ...names,
    connection,
    access: { connection, password: new Secret(password) },
    read: entitlement('read', reader),
    make: entitlement('make', maker),
    sql: (...statements) => server.sql(database, ...statements),
    use: (credential) => {
      const { username, password: secret, database: into } = credential.reveal().fields;
      return server.connect(into, { user: username ?? '', password: secret ?? '' });
    },
  };
}

type Names = Record<'database' | 'reader' | 'maker' | 'objectsOwner' | 'admin', string>;

/** What docs/providers/postgres.md tells the customer to run, and a table. */
function setup(names: Names, password: string, major: number): string[] {
  const [database, reader, maker] = [quoted(names.database), quoted(names.reader), quoted(names.maker)];
  const [objects, admin] = [quoted(names.objectsOwner), quoted(names.admin)];
  return [
    'SET log_statement = none', // the one statement with a password in it
    `CREATE ROLE ${admin} LOGIN CREATEROLE PASSWORD '${password}'`,
    `CREATE ROLE ${objects} NOLOGIN`,
    `CREATE ROLE ${reader} NOLOGIN`,
    `CREATE ROLE ${maker} NOLOGIN`,
    `GRANT ${objects} TO ${admin}${major >= 16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`,
    ...(major >= 16 ? [`GRANT pg_use_reserved_connections TO ${admin}`] : []),
    ...(major >= 16 ? [`GRANT ${reader}, ${maker} TO ${admin} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`] : []),
    `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE ${database} TO ${admin}, ${reader}, ${maker}`,
    'CREATE TABLE orders (id int PRIMARY KEY, customer text)',
    `INSERT INTO orders SELECT n, 'customer ' || n FROM generate_series(1, 10) AS n`,
    `GRANT SELECT ON orders TO ${reader}, ${maker}`,
    `GRANT INSERT, UPDATE ON orders TO ${maker}`,
    `GRANT USAGE, CREATE ON SCHEMA public TO ${maker}, ${objects}`,
  ];
}

export const aGrant = (installation = '5eedc0de'): GrantRef => ({ installation, grantId: randomUUID() });

/** An order for a grant that lives an hour, whose fence always lets through, unless told otherwise. */
export function anOrder(entitlement: EntitlementConfig, order: Partial<IssueOrder> = {}): IssueOrder {
  const endsAt = new Date(Date.now() + 3_600_000);
  return { grant: aGrant(), entitlement, endsAt, now: () => new Date(), fence: async () => undefined, ...order };
}
