import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import { askedInTheClear } from './check-logins';
import type { Checkup } from './checkup';
import { isTooWeak, sqlState } from './postgres.errors';
import type { Session } from './session';
import { SAFE_CREATEROLE } from './versions';

const MOST = 50;

interface Database {
  readonly name: string;
  /** Ours may enter it. */
  readonly open: boolean;
  /** Everybody may enter it. */
  readonly public: boolean;
  /** Group roles that may enter it, by a right of their own or as everybody. */
  readonly groups: readonly string[];
}

/**
 * The databases in which a holder may leave something behind: all that a group role may enter, not only those that
 * entitlements name.
 */
export async function databaseFindings(checkup: Checkup): Promise<CheckFinding[]> {
  const { session, entitlements } = checkup;
  const wanted = entitlements.map(({ groupRole }) => groupRole);
  const superusers = await session.query<{ name: string }>(SUPERUSERS, [wanted]);
  // These may do everything everywhere, which says nothing more: they are refused as groups.
  const lendable = entitlements.filter(({ groupRole }) => !superusers.some(({ name }) => name === groupRole));
  const databases = await session.query<Database>(DATABASES, [lendable.map(({ groupRole }) => groupRole)]);
  const findings = lendable.flatMap((entitlement) => entranceFindings(entitlement, databases));
  const within = databases.filter((database) => database.groups.length > 0);
  for (const database of within.slice(0, MOST)) findings.push(...(await oneDatabase(checkup, database)));
  if (within.length > MOST)
    findings.push({ kind: 'notice', message: `${within.length - MOST} more databases were not looked at` });
  return findings;
}

function entranceFindings(
  { database, groupRole }: Checkup['entitlements'][number],
  databases: readonly Database[],
): CheckFinding[] {
  const found = databases.find(({ name }) => name === database);
  if (!found) return [{ kind: 'wrong', message: `there is no database ${quoted(database)} that takes connections` }];
  if (found.groups.includes(groupRole)) return [];
  const remedy = `GRANT CONNECT ON DATABASE ${quoted(database)} TO ${quoted(groupRole)};`;
  return [{ kind: 'missing', message: `${quoted(groupRole)} may not enter ${quoted(database)}`, remedy }];
}

async function oneDatabase(checkup: Checkup, database: Database): Promise<CheckFinding[]> {
  const { account } = checkup;
  const [name, me] = [quoted(database.name), quoted(account.connection.user)];
  const findings: CheckFinding[] = [];
  if (database.public) {
    const message = `every role of the server may enter ${name}, and so every holder`;
    findings.push({ kind: 'notice', message, remedy: `REVOKE ALL ON DATABASE ${name} FROM PUBLIC;` });
  }
  if (!database.open) {
    const message = `our account cannot enter ${name}: what a holder leaves there could not be tidied`;
    return [...findings, { kind: 'missing', message, remedy: `GRANT CONNECT ON DATABASE ${name} TO ${me};` }];
  }
  try {
    const inside = await account.with(
      'curfew-check',
      (session) => insideFindings(checkup, database, session),
      database.name,
    );
    return [...findings, ...inside];
  } catch (error) {
    if (isTooWeak(error)) return [...findings, askedInTheClear(database.name, 'our account')];
    return [
      ...findings,
      { kind: 'wrong', message: `our account could not enter ${name} (${sqlState(error) ?? 'no answer'})` },
    ];
  }
}

interface Inside {
  readonly makers: readonly string[];
  readonly schemas: readonly { schema: string; owner: boolean; makers: string[] }[];
  readonly create: boolean;
  readonly lenders: readonly string[];
}

async function insideFindings(
  { account, server }: Checkup,
  { name, groups }: Database,
  session: Session,
): Promise<CheckFinding[]> {
  const { objectsOwner, user } = account.connection;
  const { makers, schemas, create, lenders } = await session.one<Inside>(INSIDE, [groups, objectsOwner]);
  const findings: CheckFinding[] = [];
  const database = quoted(name);
  if (makers.length > 0 && !create) {
    const message = `${makers.map(quoted).join(', ')} may make schemas in ${database}, which our account could not give away`;
    findings.push({ kind: 'missing', message, remedy: `GRANT CREATE ON DATABASE ${database} TO ${quoted(user)};` });
  }
  for (const { schema, owner, makers: some } of schemas) {
    const where = `${quoted(schema)} in ${database}`;
    const remedy = `GRANT USAGE, CREATE ON SCHEMA ${quoted(schema)} TO ${quoted(objectsOwner)}; -- in ${database}`;
    if (!owner)
      findings.push({
        kind: 'missing',
        message: `${quoted(objectsOwner)} cannot take over what holders make in ${where}`,
        remedy,
      });
    if (server.major < SAFE_CREATEROLE)
      findings.push({
        kind: 'wrong',
        message: `${some.map(quoted).join(', ')} may create in ${where}: on PostgreSQL 15 a holder can do so in the group's name, and the end would not find it`,
        remedy: `REVOKE CREATE ON SCHEMA ${quoted(schema)} FROM ${some.map(quoted).join(', ')}, PUBLIC; -- in ${database}`,
      });
  }
  for (const group of lenders)
    findings.push({
      kind: 'notice',
      message: `${quoted(group)} has rights in ${database} WITH GRANT OPTION: what a holder gives to others outlives the grant`,
    });
  return findings;
}

const SUPERUSERS = 'SELECT rolname::text AS name FROM pg_roles WHERE rolname = ANY ($1::text[]) AND rolsuper';

const DATABASES = `
  SELECT d.datname::text AS name, has_database_privilege(d.oid, 'CONNECT') AS open,
         has_database_privilege('public', d.oid, 'CONNECT') AS public,
         ARRAY(SELECT r.rolname::text FROM pg_roles r
                WHERE r.rolname = ANY ($1::text[]) AND has_database_privilege(r.oid, d.oid, 'CONNECT')) AS groups
    FROM pg_database d WHERE d.datallowconn ORDER BY d.datname`;

const INSIDE = `
  WITH groups AS (SELECT oid, rolname::text AS name FROM pg_roles WHERE rolname = ANY ($1::text[])),
       owner AS (SELECT oid FROM pg_roles WHERE rolname = $2),
       held AS (
         SELECT relacl AS acl FROM pg_class UNION ALL SELECT nspacl FROM pg_namespace UNION ALL SELECT proacl FROM pg_proc)
  SELECT ARRAY(SELECT name FROM groups WHERE has_database_privilege(oid, current_database(), 'CREATE')) AS makers,
         has_database_privilege(current_database(), 'CREATE') AS create,
         ARRAY(SELECT DISTINCT g.name FROM held, aclexplode(held.acl) a JOIN groups g ON g.oid = a.grantee WHERE a.is_grantable) AS lenders,
         (SELECT coalesce(json_agg(json_build_object('schema', s.nspname, 'owner', s.owner, 'makers', s.makers)), '[]')
            FROM (SELECT n.nspname,
                         coalesce((SELECT has_schema_privilege(owner.oid, n.oid, 'CREATE') FROM owner), true) AS owner,
                         ARRAY(SELECT g.name FROM groups g WHERE has_schema_privilege(g.oid, n.oid, 'CREATE')) AS makers
                    FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_%') AS s
           WHERE cardinality(s.makers) > 0) AS schemas`;
