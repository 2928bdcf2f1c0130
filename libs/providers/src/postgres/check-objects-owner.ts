import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Checkup } from './checkup';
import { SAFE_CREATEROLE } from './versions';

interface Owner {
  readonly inherited: boolean;
  readonly settable: boolean;
  readonly attributes: readonly string[];
  readonly groups: readonly string[];
  /** Where it has rights on something, and on how many things: schemas and databases themselves do not count. */
  readonly rights: readonly string[];
  readonly others: readonly string[];
}

/** The role that gets what holders leave behind: views and functions run with its rights from then on, so it has none. */
export async function ownerFindings({ session, account, server, entitlements }: Checkup): Promise<CheckFinding[]> {
  const { objectsOwner, user } = account.connection;
  const [owner, me] = [quoted(objectsOwner), quoted(user)];
  const join = server.major >= SAFE_CREATEROLE ? ' WITH INHERIT TRUE, SET TRUE' : '';
  const grant = `GRANT ${owner} TO ${me}${join};`;
  const [found] = await session.query<Owner>(QUERY, [objectsOwner, server.major >= SAFE_CREATEROLE ? 'SET' : 'MEMBER']);
  if (!found)
    return [
      { kind: 'missing', message: `there is no role ${owner}`, remedy: `CREATE ROLE ${owner} NOLOGIN; ${grant}` },
    ];
  const findings: CheckFinding[] = [];
  if (!found.inherited || !found.settable) {
    const remedy = server.major >= SAFE_CREATEROLE ? grant : `${grant} ALTER ROLE ${me} INHERIT;`;
    findings.push({ kind: 'missing', message: `our account cannot give objects to ${owner}`, remedy });
  }
  if (entitlements.some(({ groupRole }) => groupRole === objectsOwner))
    findings.push({
      kind: 'wrong',
      message: `${owner} is an entitlement's group role too: what one leaves, others could run`,
    });
  return [...findings, ...excessFindings(owner, found)];
}

function excessFindings(owner: string, { attributes, groups, rights, others }: Owner): CheckFinding[] {
  return [
    ...attributes.map((word): CheckFinding => {
      return { kind: 'excess', message: `${owner} has ${word}`, remedy: `ALTER ROLE ${owner} NO${word};` };
    }),
    ...groups.map((group): CheckFinding => {
      const message = `${owner} is a member of ${quoted(group)}: views left behind would go on serving its data`;
      return { kind: 'excess', message, remedy: `REVOKE ${quoted(group)} FROM ${owner};` };
    }),
    ...rights.map((where): CheckFinding => {
      const message = `${owner} has rights on ${where}: views left behind would go on serving them`;
      return { kind: 'excess', message, remedy: `REVOKE ALL ON ALL TABLES IN SCHEMA … FROM ${owner};` };
    }),
    ...others.map((member): CheckFinding => {
      return {
        kind: 'notice',
        message: `${quoted(member)} is a member of ${owner}: it owns what holders leave behind`,
      };
    }),
  ];
}

const QUERY = `
  SELECT pg_has_role(current_user, oid, 'USAGE') AS inherited, pg_has_role(current_user, oid, $2) AS settable,
         ARRAY(SELECT word FROM (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
                                        ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls), ('LOGIN', rolcanlogin))
                                        AS attribute (word, has) WHERE has) AS attributes,
         ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = o.oid) AS groups,
         ARRAY(SELECT format('%s things in %s', count(*), coalesce(quote_ident(d.datname), 'the server'))
                 FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
                WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = o.oid AND s.deptype = 'a'
                  AND s.classid NOT IN ('pg_namespace'::regclass, 'pg_database'::regclass, 'pg_auth_members'::regclass)
                GROUP BY d.datname) AS rights,
         ARRAY(SELECT pg_get_userbyid(member)::text FROM pg_auth_members
                WHERE roleid = o.oid AND pg_get_userbyid(member) <> current_user) AS others
    FROM pg_roles o WHERE rolname = $1`;
