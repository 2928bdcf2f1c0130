import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import { askedInTheClear } from './check-logins';
import { GRANT_ROLE } from './check-memberships';
import { triggerFindings } from './check-triggers';
import { lendable, type Checkup } from './checkup';
import { isTooWeak, sqlState } from './postgres.errors';
import type { Session } from './session';
import { SAFE_CREATEROLE } from './versions';

const MOST = 50;

interface Database {
  readonly name: string;
  /** Ours may enter it now. */
  readonly open: boolean;
  /** Ours may enter it by a right of its own, and may make schemas: also when what it has too much is gone. */
  readonly enters: boolean;
  readonly creates: boolean;
  readonly owned: boolean;
  /** Everybody may enter it. */
  readonly public: boolean;
  /** Group roles that may enter it, by a right of their own or as everybody. */
  readonly groups: readonly string[];
  /** Group roles, and roles with a login, that enter it as everybody only. */
  readonly groupsAsPublic: readonly string[];
  readonly loginsAsPublic: readonly string[];
}

/**
 * The databases in which a holder may leave something behind: all that a group role may enter, not only those that
 * entitlements name.
 */
export async function databaseFindings(checkup: Checkup): Promise<CheckFinding[]> {
  const { session, account, memberships } = checkup;
  const lent = lendable(checkup);
  const groups = lent.map(({ groupRole }) => groupRole);
  const { user } = account.connection;
  const databases = await session.query<Database>(DATABASES, [groups, user, memberships.usable, GRANT_ROLE]);
  const findings = databases.flatMap((database) => (database.owned ? [ownedFinding(database, user)] : []));
  findings.push(...lent.flatMap((entitlement) => entranceFindings(entitlement, databases)));
  const isNamed = ({ name }: Database): boolean => lent.some(({ database }) => database === name);
  const within = databases.filter((database) => database.groups.length > 0 || isNamed(database));
  for (const database of within.slice(0, MOST)) findings.push(...(await oneDatabase(checkup, database)));
  if (within.length > MOST)
    findings.push({ kind: 'notice', message: `${within.length - MOST} more databases were not looked at` });
  return findings;
}

/** To its owner a database belongs with all rights; they go with it, and entering it is given back. */
const ownedFinding = ({ name }: Database, user: string): CheckFinding => ({
  kind: 'excess',
  message: `our account owns the database ${quoted(name)}: it may drop it, and let others in`,
  sql: [
    `ALTER DATABASE ${quoted(name)} OWNER TO CURRENT_USER;`,
    `GRANT CONNECT ON DATABASE ${quoted(name)} TO ${quoted(user)};`,
  ],
});

function entranceFindings(
  { database, groupRole }: Checkup['entitlements'][number],
  databases: readonly Database[],
): CheckFinding[] {
  const found = databases.find(({ name }) => name === database);
  if (!found) return [{ kind: 'wrong', message: `there is no database ${quoted(database)} that takes connections` }];
  if (found.groups.includes(groupRole)) return [];
  const sql = [`GRANT CONNECT ON DATABASE ${quoted(database)} TO ${quoted(groupRole)};`];
  return [{ kind: 'missing', message: `${quoted(groupRole)} may not enter ${quoted(database)}`, sql }];
}

/** Whoever enters as everybody, and is known to, gets a right of their own before that one goes. */
function publicFinding(checkup: Checkup, database: Database): CheckFinding {
  const name = quoted(database.name);
  const { user } = checkup.account.connection;
  const named = lendable(checkup).filter((entitlement) => entitlement.database === database.name);
  const groups = database.groupsAsPublic.filter((group) => named.some(({ groupRole }) => groupRole === group));
  const logins = database.loginsAsPublic.filter((login) => login !== user);
  const entering = [...new Set([...(database.enters ? [] : [user]), ...groups, ...logins])].map(quoted);
  const others = logins.length > 0 ? `; so far ${logins.map(quoted).join(', ')} do so by no other right` : '';
  return {
    kind: 'notice',
    message: `every role of the server may enter ${name}, and so every holder${others}`,
    sql: [
      ...(entering.length > 0 ? [`GRANT CONNECT ON DATABASE ${name} TO ${entering.join(', ')};`] : []),
      `REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC;`,
    ],
  };
}

async function oneDatabase(checkup: Checkup, database: Database): Promise<CheckFinding[]> {
  const { account } = checkup;
  const [name, me] = [quoted(database.name), quoted(account.connection.user)];
  const findings: CheckFinding[] = [];
  if (database.public) findings.push(publicFinding(checkup, database));
  else if (!database.enters) {
    const message = `our account cannot enter ${name}: what a holder leaves there could not be tidied`;
    findings.push({ kind: 'missing', message, sql: [`GRANT CONNECT ON DATABASE ${name} TO ${me};`] });
  }
  if (!database.open) return findings;
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
  readonly schemas: readonly Schema[];
  readonly lenders: readonly string[];
}

/** One in which holders may create. */
interface Schema {
  readonly schema: string;
  /** The `objectsOwner` may too. */
  readonly owner: boolean;
  readonly makers: readonly string[];
  /** Those whose right that is: the group roles themselves, roles that they are members of, or everybody. */
  readonly by: readonly string[];
}

async function insideFindings(checkup: Checkup, database: Database, session: Session): Promise<CheckFinding[]> {
  const { objectsOwner, user } = checkup.account.connection;
  const { makers, schemas, lenders } = await session.one<Inside>(INSIDE, [database.groups, objectsOwner]);
  const findings: CheckFinding[] = [];
  const name = quoted(database.name);
  if (makers.length > 0 && !database.creates) {
    const message = `${makers.map(quoted).join(', ')} may make schemas in ${name}, which our account could not give away`;
    findings.push({ kind: 'missing', message, sql: [`GRANT CREATE ON DATABASE ${name} TO ${quoted(user)};`] });
  }
  const place = { database: database.name, objectsOwner, major: checkup.server.major };
  findings.push(...schemas.flatMap((schema) => schemaFindings(schema, place)));
  findings.push(...(await triggerFindings(session, database.name, database.groups)));
  for (const group of lenders)
    findings.push({
      kind: 'notice',
      message: `${quoted(group)} has rights in ${name} WITH GRANT OPTION: what a holder gives to others outlives the grant`,
    });
  return findings;
}

function schemaFindings(
  { schema, owner, makers, by }: Schema,
  { database, objectsOwner, major }: { database: string; objectsOwner: string; major: number },
): CheckFinding[] {
  const findings: CheckFinding[] = [];
  const where = `${quoted(schema)} in ${quoted(database)}`;
  if (!owner)
    findings.push({
      kind: 'missing',
      message: `${quoted(objectsOwner)} cannot take over what holders make in ${where}`,
      database,
      sql: [`GRANT USAGE, CREATE ON SCHEMA ${quoted(schema)} TO ${quoted(objectsOwner)};`],
    });
  if (major < SAFE_CREATEROLE)
    findings.push({
      kind: 'wrong',
      message: `${makers.map(quoted).join(', ')} may create in ${where}: on PostgreSQL 15 a holder can do so in the group's name, and the end would not find it`,
      database,
      sql: by.map((role) => `REVOKE CREATE ON SCHEMA ${quoted(schema)} FROM ${role};`),
    });
  return findings;
}

// Superusers are let in everywhere and need no right; the roles of grants enter by their group's.
const DATABASES = `
  WITH me AS (SELECT oid FROM pg_roles WHERE rolname = $2),
       usable AS (SELECT oid FROM pg_roles WHERE rolname = ANY ($3::text[])),
       given AS (
         SELECT d.oid AS database, a.grantee, a.privilege_type AS what
           FROM pg_database d, LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE a.grantee <> 0),
       as_public AS (
         SELECT d.oid AS database, r.rolname::text AS name, r.rolcanlogin AS login
           FROM pg_database d, pg_roles r
          WHERE (r.rolcanlogin OR r.rolname = ANY ($1::text[])) AND NOT r.rolsuper AND r.rolname !~ $4
            AND has_database_privilege('public', d.oid, 'CONNECT')
            AND NOT EXISTS (SELECT FROM given g WHERE g.database = d.oid AND g.what = 'CONNECT' AND pg_has_role(r.oid, g.grantee, 'USAGE')))
  SELECT d.datname::text AS name, has_database_privilege(d.oid, 'CONNECT') AS open,
         has_database_privilege('public', d.oid, 'CONNECT') AS public, d.datdba = me.oid AS owned,
         EXISTS (SELECT FROM given g JOIN usable u ON u.oid = g.grantee
                  WHERE g.database = d.oid AND g.what = 'CONNECT') OR d.datdba = me.oid AS enters,
         EXISTS (SELECT FROM given g JOIN usable u ON u.oid = g.grantee
                  WHERE g.database = d.oid AND g.what = 'CREATE') AND d.datdba <> me.oid AS creates,
         ARRAY(SELECT r.rolname::text FROM pg_roles r
                WHERE r.rolname = ANY ($1::text[]) AND has_database_privilege(r.oid, d.oid, 'CONNECT')) AS groups,
         ARRAY(SELECT p.name FROM as_public p WHERE p.database = d.oid AND p.name = ANY ($1::text[])) AS "groupsAsPublic",
         ARRAY(SELECT p.name FROM as_public p WHERE p.database = d.oid AND p.login ORDER BY 1) AS "loginsAsPublic"
    FROM pg_database d, me WHERE d.datallowconn ORDER BY d.datname`;

const INSIDE = `
  WITH groups AS (SELECT oid, rolname::text AS name FROM pg_roles WHERE rolname = ANY ($1::text[])),
       owner AS (SELECT oid FROM pg_roles WHERE rolname = $2),
       held AS (
         SELECT relacl AS acl FROM pg_class UNION ALL SELECT nspacl FROM pg_namespace UNION ALL SELECT proacl FROM pg_proc),
       creating AS (
         SELECT n.oid, n.nspname, a.grantee
           FROM pg_namespace n, LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
          WHERE a.privilege_type = 'CREATE' AND n.nspname NOT LIKE 'pg\\_%'),
       schemas AS (
         SELECT c.nspname AS schema, bool_or(c.grantee = 0 OR c.grantee = (SELECT oid FROM owner)) AS owner,
                ARRAY(SELECT g.name FROM groups g WHERE has_schema_privilege(g.oid, c.oid, 'CREATE')) AS makers,
                array_agg(DISTINCT CASE c.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(c.grantee)) END)
                  FILTER (WHERE c.grantee = 0 OR EXISTS (SELECT FROM groups g WHERE pg_has_role(g.oid, c.grantee, 'USAGE'))) AS by
           FROM creating c GROUP BY c.oid, c.nspname)
  SELECT ARRAY(SELECT name FROM groups WHERE has_database_privilege(oid, current_database(), 'CREATE')) AS makers,
         ARRAY(SELECT DISTINCT g.name FROM held, aclexplode(held.acl) a JOIN groups g ON g.oid = a.grantee WHERE a.is_grantable) AS lenders,
         (SELECT coalesce(json_agg(s ORDER BY s.schema), '[]') FROM schemas s WHERE cardinality(s.makers) > 0) AS schemas`;
