import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Checkup } from './checkup';
import { sqlState } from './postgres.errors';
import type { Session } from './session';

/** Up to here each is named, and taken away by itself. */
const NAMED = 10;

/** A role of ours that shall have no rights on data, as findings call it. */
export interface Powerless {
  readonly role: string;
  readonly title: string;
  /** What it owns is excess too. */
  readonly ownsNothing: boolean;
}

interface Right {
  readonly schema: string | null;
  readonly ofServer: boolean;
  /** What stands behind `ON` in `REVOKE`. */
  readonly word: string;
  readonly name: string;
  /** Who gave it, when that was not the owner. */
  readonly by: string | null;
  /** It may have been handed on. */
  readonly grantable: boolean;
}

/** Rights on tables and all else that databases hold, given to the role itself. That it may enter is no such right. */
export async function rightsFindings(checkup: Checkup, powerless: Powerless): Promise<CheckFinding[]> {
  const { account, session } = checkup;
  const rows = await session.query<{ database: string | null }>(WHERE, [
    powerless.role,
    powerless.ownsNothing ? ['a', 'o'] : ['a'],
  ]);
  const home = account.connection.database;
  const findings: CheckFinding[] = [];
  for (const database of new Set(rows.map((row) => row.database ?? home))) {
    const look = (inside: Session): Promise<CheckFinding[]> => oneDatabase(inside, powerless, { database, home });
    try {
      findings.push(...(await (database === home ? look(session) : account.with('curfew-check', look, database))));
    } catch (error) {
      const message = `${powerless.title} has rights in ${quoted(database)}, which could not be looked at (${sqlState(error) ?? 'no answer'})`;
      findings.push({ kind: 'excess', message, remedy: `Take away what it has in ${quoted(database)}.` });
    }
  }
  return findings;
}

async function oneDatabase(
  session: Session,
  { role, title, ownsNothing }: Powerless,
  { database, home }: { database: string; home: string },
): Promise<CheckFinding[]> {
  const rights = await session.query<Right>(RIGHTS, [role, database === home]);
  const places = Map.groupBy(rights, ({ schema, word }) => `${word} ${schema === null ? '' : `of ${schema}`}`);
  const findings = [...places].map(([place, some]): CheckFinding => {
    const names = [...new Set(some.map(({ name }) => name))];
    const more = names.length > NAMED ? `, … (${names.length})` : '';
    const what = `${place.trim()}: ${names.slice(0, NAMED).join(', ')}${more}`;
    const message = `${title} has rights on ${what} in ${quoted(database)}`;
    return { kind: 'excess', message, database, sql: revocations(some, role) };
  });
  const defaults = await session.query<{ sql: string }>(DEFAULTS, [role]);
  if (defaults.length > 0) {
    const message = `${title} will have rights on what others make in ${quoted(database)} (default privileges)`;
    findings.push({ kind: 'excess', message, database, sql: defaults.map(({ sql }) => sql) });
  }
  if (ownsNothing) findings.push(...(await ownedFindings(session, { role, title, database })));
  return findings;
}

function revocations(rights: readonly Right[], role: string): string[] {
  const [{ schema, word, ofServer }] = rights as [Right];
  const from = (grantable: boolean): string => `FROM ${quoted(role)}${grantable ? ' CASCADE' : ''};`;
  const one = (right: Right): string => `REVOKE ALL ON ${right.word} ${right.name} ${from(right.grantable)}`;
  const byOwner = rights.filter(({ by }) => by === null);
  const whole = byOwner.length > NAMED && schema !== null && !ofServer && word !== 'TYPE';
  const all = `REVOKE ALL ON ALL ${word}S IN SCHEMA ${quoted(schema ?? '')} ${from(byOwner.some((right) => right.grantable))}`;
  return [
    ...(whole ? [all] : byOwner.map(one)),
    // Who revokes something revokes what they gave themselves; a superuser what the owner gave.
    ...rights.flatMap((right) =>
      right.by === null ? [] : ['BEGIN;', `SET LOCAL ROLE ${quoted(right.by)};`, one(right), 'COMMIT;'],
    ),
  ];
}

async function ownedFindings(
  session: Session,
  { role, title, database }: { role: string; title: string; database: string },
): Promise<CheckFinding[]> {
  const owned = await session.query<{ what: string }>(OWNED, [role]);
  if (owned.length === 0) return [];
  const names = owned.slice(0, NAMED).map(({ what }) => what);
  const message = `${title} owns ${names.join(', ')}${owned.length > NAMED ? ', …' : ''} in ${quoted(database)}`;
  return [{ kind: 'excess', message, remedy: 'Give them to whom they belong: ALTER … OWNER TO …, in that database.' }];
}

const WHERE = `
  SELECT DISTINCT d.datname::text AS database
    FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
   WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)
     AND s.deptype::text = ANY ($2::text[])
     AND s.classid NOT IN ('pg_database'::regclass, 'pg_auth_members'::regclass)
     AND (s.deptype = 'o' OR s.classid <> 'pg_namespace'::regclass)
   ORDER BY 1`;

// What everybody has by what the server was made with (looking at its catalogue) may be given by name where it was taken
// from everybody: our account needs it then.
const RIGHTS = `
  WITH held (class, id, owner, acl, namespace, word) AS (
    SELECT 'pg_class'::regclass::oid, oid, relowner, relacl, relnamespace, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END FROM pg_class
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, c.relowner, a.attacl, c.relnamespace, 'TABLE'
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL
    UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, proacl, pronamespace, 'ROUTINE' FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid, typowner, typacl, typnamespace, 'TYPE' FROM pg_type
    UNION ALL SELECT 'pg_language'::regclass, oid, lanowner, lanacl, NULL, 'LANGUAGE' FROM pg_language
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, fdwowner, fdwacl, NULL, 'FOREIGN DATA WRAPPER' FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner, srvacl, NULL, 'FOREIGN SERVER' FROM pg_foreign_server
    UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner, lomacl, NULL, 'LARGE OBJECT' FROM pg_largeobject_metadata
    UNION ALL SELECT 'pg_tablespace'::regclass, oid, spcowner, spcacl, NULL, 'TABLESPACE' FROM pg_tablespace WHERE $2
    UNION ALL SELECT 'pg_parameter_acl'::regclass, oid, 10, paracl, NULL, 'PARAMETER' FROM pg_parameter_acl WHERE $2
  )
  SELECT n.nspname::text AS schema, coalesce(n.nspname IN ('pg_catalog', 'information_schema'), false) AS "ofServer", h.word,
         CASE h.word WHEN 'LARGE OBJECT' THEN h.id::text ELSE i.identity END AS name,
         CASE WHEN a.grantor <> h.owner THEN pg_get_userbyid(a.grantor)::text END AS by, bool_or(a.is_grantable) AS grantable
    FROM held h JOIN pg_roles me ON me.rolname = $1 AND me.oid <> h.owner
         LEFT JOIN pg_namespace n ON n.oid = h.namespace,
         LATERAL aclexplode(h.acl) a, LATERAL pg_identify_object(h.class, h.id, 0) i
   WHERE a.grantee = me.oid
     AND NOT (n.nspname IN ('pg_catalog', 'information_schema') AND coalesce(
           (SELECT bool_or(e.grantee = 0 AND e.privilege_type = a.privilege_type)
              FROM pg_init_privs p, LATERAL aclexplode(p.initprivs) e WHERE p.classoid = h.class AND p.objoid = h.id),
           h.word = 'ROUTINE'))
   GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 4`;

const DEFAULTS = `
  SELECT DISTINCT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %I;', pg_get_userbyid(d.defaclrole),
                         ' IN SCHEMA ' || quote_ident(n.nspname),
                         CASE d.defaclobjtype WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES'
                                              WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' ELSE 'TABLES' END, me.rolname) AS sql
    FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, LATERAL aclexplode(d.defaclacl) a, pg_roles me
   WHERE me.rolname = $1 AND a.grantee = me.oid AND d.defaclrole <> me.oid ORDER BY 1`;

const OWNED = `
  SELECT pg_describe_object(s.classid, s.objid, s.objsubid) AS what
    FROM pg_shdepend s
   WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND s.deptype = 'o'
     AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND s.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
   ORDER BY 1`;
