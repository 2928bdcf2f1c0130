import type { Client } from 'pg';
import { paths, type Clone } from './clone.ts';
import { Secret } from '../libs/kernel/src/secret.ts';
import { scramVerifier } from '../libs/platform/src/scram.ts';
import { createDatabase, urlFor, withClient, type Database } from './database.ts';
import { Failure } from './failure.ts';
import { readJson, writeJson } from './private-file.ts';
import { typeablePassword } from './secrets.ts';

export interface DemoAccount {
  readonly subject: string;
  readonly name: string;
  readonly email: string;
  readonly password: string;
}

export interface Demo {
  readonly accounts: readonly DemoAccount[];
  readonly targets: readonly { readonly file: unknown; readonly password: string }[];
}

export const DEMO_DATABASE = 'orders';
export const DEMO_ADMIN = 'curfew_orders_admin';
/** The comment of the role that the demo makes first, together with the others. */
const MARK = 'Curfew: demo';
const GROUP_ROLES = ['orders_owner', 'orders_objects', 'orders_read', 'orders_write'];
const PEOPLE = ['Ada', 'Ben', 'Cleo', 'Root'];

/**
 * A second real database in the same server, as a customer would have it: its own roles, its own data, and an account
 * for Curfew that may do what the page on the PostgreSQL provider asks for and nothing else. Done again, it changes
 * nothing but the address.
 */
export async function seedDemo(clone: Clone, database: Database): Promise<Demo> {
  const known = readJson(paths.demo(clone)) as Demo | undefined;
  const accounts = known?.accounts ?? PEOPLE.map(account);
  const password = known?.targets[0]?.password ?? typeablePassword();
  // Written first: a password that the server knows and nobody else does would be lost.
  const demo = { accounts, targets: [{ file: targetFile(database), password }] };
  writeJson(paths.demo(clone), demo);
  await withClient(database.ownerUrl, async (client) => {
    if (!database.server) await assertOurs(client);
    await ensureRoles(client, known ? undefined : password, password);
    await createDatabase(client, DEMO_DATABASE);
    await client.query(`REVOKE ALL ON DATABASE ${DEMO_DATABASE} FROM PUBLIC`);
    await client.query(`GRANT CONNECT ON DATABASE ${DEMO_DATABASE} TO ${DEMO_ADMIN}, orders_read, orders_write`);
  });
  await withClient(urlFor(database.ownerUrl, { database: DEMO_DATABASE }), ensureData);
  return demo;
}

/** On a server of somebody else's, what bears our names without our mark is theirs: nothing of it is touched. */
async function assertOurs(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string; mark: string | null }>(
    `SELECT format('the database "%s"', datname) AS name, NULL AS mark FROM pg_database WHERE datname = $1
     UNION ALL
     SELECT format('the role "%s"', rolname), shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ANY($2)`,
    [DEMO_DATABASE, [...GROUP_ROLES, DEMO_ADMIN]],
  );
  if (rows.length === 0 || rows.some(({ mark }) => mark === MARK)) return;
  const theirs = rows.map(({ name }) => name);
  throw new Failure(`the demo would take over what is there already: ${theirs.join(', ')}`, [
    'Start without CURFEW_DEMO=1, or give DATABASE_URL to a server that has nothing of these names.',
    'Nothing was changed.',
  ]);
}

function account(name: string): DemoAccount {
  const subject = name.toLowerCase();
  return { subject, name, email: `${subject}@example.com`, password: typeablePassword() };
}

function targetFile({ host, port }: Database): unknown {
  const tls = { mode: 'disable' };
  const entitlement = (groupRole: string): unknown => ({ database: DEMO_DATABASE, groupRole });
  return {
    name: 'orders-db',
    kind: 'postgres',
    owner: 'orders-owners',
    connection: { host, port, database: DEMO_DATABASE, user: DEMO_ADMIN, tls, objectsOwner: 'orders_objects' },
    entitlements: { read: entitlement('orders_read'), write: entitlement('orders_write') },
  };
}

/** `newPassword`: nobody knows the old one any more, or there is none. Otherwise it is left alone: it may have been rotated. */
async function ensureRoles(client: Client, newPassword: string | undefined, firstPassword: string): Promise<void> {
  // The mark is there as soon as anything is: whatever is interrupted after this is ours to go on with.
  await client.query('BEGIN');
  for (const role of GROUP_ROLES) {
    if (!(await roleExists(client, role))) await client.query(`CREATE ROLE ${role} NOLOGIN`);
  }
  const isNew = !(await roleExists(client, DEMO_ADMIN));
  if (isNew) await client.query(`CREATE ROLE ${DEMO_ADMIN} LOGIN CREATEROLE`);
  await client.query(`COMMENT ON ROLE ${DEMO_ADMIN} IS '${MARK}'`);
  const password = isNew ? firstPassword : newPassword;
  if (password !== undefined)
    await client.query(
      `ALTER ROLE ${DEMO_ADMIN} PASSWORD ${client.escapeLiteral(await scramVerifier(new Secret(password)))}`,
    );
  // It hands the group roles on and cannot use them itself; what users leave behind it gives to orders_objects.
  await client.query(`GRANT orders_read, orders_write TO ${DEMO_ADMIN} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`);
  await client.query(`GRANT orders_objects TO ${DEMO_ADMIN} WITH ADMIN FALSE, INHERIT TRUE, SET TRUE`);
  await client.query('COMMIT');
}

async function roleExists(client: Client, role: string): Promise<boolean> {
  return (await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role])).rowCount !== 0;
}

async function ensureData(client: Client): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(`SELECT to_regclass('orders') IS NOT NULL AS there`);
  if (!rows[0]?.there) await client.query(SCHEMA);
}

const SCHEMA = `
BEGIN;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO orders_owner, orders_read, orders_write;
GRANT USAGE, CREATE ON SCHEMA public TO orders_owner, orders_objects;
GRANT orders_owner TO CURRENT_USER;
SET LOCAL ROLE orders_owner;
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL UNIQUE
);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers,
  item text NOT NULL,
  amount_cents integer NOT NULL CHECK (amount_cents > 0),
  placed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX orders_by_customer ON orders (customer_id);
INSERT INTO customers (name, email) VALUES
  ('Grace', 'grace@example.com'), ('Edsger', 'edsger@example.com'), ('Barbara', 'barbara@example.com');
INSERT INTO orders (customer_id, item, amount_cents) VALUES
  (1, 'compiler', 4900), (1, 'nanosecond of wire', 100), (2, 'shortest path', 1968), (3, 'substitute', 1987), (3, 'clu', 1974);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO orders_read;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO orders_write;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO orders_read;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO orders_write;
COMMIT;
`;
