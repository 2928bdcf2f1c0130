import type { Client } from 'pg';
import { Failure } from './failure.ts';

interface Rights {
  readonly role: string;
  readonly database: string;
  readonly superuser: boolean;
  readonly createRole: boolean;
  readonly createDatabase: boolean;
  readonly owns: boolean;
}

/**
 * On a server of somebody else's: looked at before anything is made there.
 *
 * @param newDatabase whether a database has to be made beside Curfew's own
 * @throws Failure which names each right that the role of `DATABASE_URL` lacks, and what would give it
 */
export async function assertRights(client: Client, newDatabase: boolean): Promise<void> {
  const { rows } = await client.query<Rights>(
    `SELECT current_user AS role, current_database() AS database, rolsuper AS superuser, rolcreaterole AS "createRole",
            rolcreatedb AS "createDatabase", pg_has_role(datdba, 'USAGE') AS owns
       FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()`,
  );
  const has = rows[0];
  if (!has || has.superuser) return;
  const role = client.escapeIdentifier(has.role);
  const database = client.escapeIdentifier(has.database);
  const missing = [
    ...(has.createRole ? [] : [['CREATEROLE', `ALTER ROLE ${role} CREATEROLE`]]),
    ...(has.owns ? [] : [[`to own the database ${has.database}`, `ALTER DATABASE ${database} OWNER TO ${role}`]]),
    ...(has.createDatabase || !newDatabase ? [] : [['CREATEDB, for the demo', `ALTER ROLE ${role} CREATEDB`]]),
  ];
  if (missing.length === 0) return;
  throw new Failure(`the role "${has.role}" of DATABASE_URL lacks ${missing.map(([right]) => right).join('; and ')}`, [
    ...missing.map(([, statement]) => `${statement};`),
    'An administrator of that server can say so. Nothing was changed there.',
  ]);
}
