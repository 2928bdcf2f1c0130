import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Account } from './account';
import type { Memberships, Server } from './checkup';
import { HARMLESS } from './group-roles';
import type { PostgresEntitlement } from './postgres.schemas';
import type { Session } from './session';
import { SAFE_CREATEROLE } from './versions';

/** Roles of grants: our account rules over those that it made, and joins them to end them. */
export const GRANT_ROLE = '^curfew-[0-9a-f]{8}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';

/** A role that our account is a member of, and what that leads to. */
interface Membership {
  readonly role: string;
  /** It is lent by an entitlement: ADMIN OPTION on it is needed, and judged elsewhere. */
  readonly lent: boolean;
  readonly given: readonly Given[];
  /** What our account has or can take as things are. */
  readonly uses: readonly string[];
  /** What it could give itself by ADMIN OPTION, beyond what a grant may lend. */
  readonly lends: readonly string[];
}

interface Given {
  readonly by: string;
  readonly admin: boolean;
  readonly inherits: boolean;
  readonly becomes: boolean;
  /** Our account has handed it on. */
  readonly handed: boolean;
}

interface Asked {
  readonly account: Account;
  readonly server: Server;
  readonly entitlements: readonly PostgresEntitlement[];
}

/**
 * A membership is excess when it brings attributes, roles of the server's own or rights on data, directly or through others.
 * Needed are the `objectsOwner`, ADMIN OPTION alone on what is lent (by whichever target), the roles of our grants, and the
 * connections that the server keeps free.
 */
export async function readMemberships(
  session: Session,
  { account, server, entitlements }: Asked,
): Promise<Memberships> {
  const { user, objectsOwner } = account.connection;
  const edges = server.major >= SAFE_CREATEROLE ? EDGES : EDGES_15;
  const lent = entitlements.map(({ groupRole }) => groupRole);
  const all = await session.query<Membership>(`WITH RECURSIVE edge AS (${edges}), ${FOUND}`, [
    user,
    objectsOwner,
    lent,
    GRANT_ROLE,
    HARMLESS,
  ]);
  const excessive = all.filter(isExcessive);
  const left = await session.one<Pick<Memberships, 'usable' | 'becomes'>>(
    `WITH RECURSIVE edge AS (${edges}), ${LEFT}`,
    [user, excessive.map(({ role }) => role), GRANT_ROLE],
  );
  return { ...left, excess: excessive.map((membership) => findingOf(membership, { user, major: server.major })) };
}

function isExcessive({ lent, given, uses, lends }: Membership): boolean {
  return uses.length > 0 || lends.length > 0 || (lent && given.some(({ inherits, becomes }) => inherits || becomes));
}

function findingOf(membership: Membership, { user, major }: { user: string; major: number }): CheckFinding {
  const { role, lent, given, uses, lends } = membership;
  const brings = [...new Set([...uses, ...lends])].join(', ');
  const through = uses.length > 0 ? 'is a member of' : 'may hand on, and so take,';
  const message = lent
    ? `our account has the rights of ${quoted(role)} itself, or can become it, and needs none of them`
    : `our account ${through} ${shown(role)}: ${brings}`;
  const sql = given.flatMap((one) => revocations({ role, user, major, keepsAdmin: lends.length === 0 }, one));
  return { kind: 'excess', message, sql };
}

interface Revoked {
  readonly role: string;
  readonly user: string;
  readonly major: number;
  readonly keepsAdmin: boolean;
}

/** From 16 on each grantor's membership is one of its own. */
function revocations({ role, user, major, keepsAdmin }: Revoked, given: Given): string[] {
  const [group, me] = [quoted(role), quoted(user)];
  if (major < SAFE_CREATEROLE) return [`REVOKE ${group} FROM ${me};`];
  const by = `GRANTED BY ${quoted(given.by)}`;
  if (!given.admin || !keepsAdmin) return [`REVOKE ${group} FROM ${me} ${by}${given.handed ? ' CASCADE' : ''};`];
  return [
    ...(given.inherits ? [`REVOKE INHERIT OPTION FOR ${group} FROM ${me} ${by};`] : []),
    ...(given.becomes ? [`REVOKE SET OPTION FOR ${group} FROM ${me} ${by};`] : []),
  ];
}

const shown = (role: string): string => (/^pg_\w+$/.test(role) ? role : quoted(role));

const EDGES = `
  SELECT roleid, member, grantor, admin_option AS admin, inherit_option AS inherits, set_option AS becomes
    FROM pg_auth_members`;
// On 15 whoever is a member can become the role, and ADMIN OPTION is no more than CREATEROLE gives.
const EDGES_15 = `
  SELECT roleid, member, grantor, false AS admin, p.rolinherit AS inherits, true AS becomes
    FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.member`;

// A role is reached by using it, or by handing it on to oneself. What can be become can be used; of what is only inherited
// the rights count, and not the attributes.
const FOUND = `
  me AS (SELECT oid FROM pg_roles WHERE rolname = $1),
  needed AS (SELECT oid FROM pg_roles WHERE rolname = $2 OR rolname ~ $4),
  lent AS (SELECT oid FROM pg_roles WHERE rolname = ANY ($3::text[])),
  reached (first, role, lending, becomes) AS (
    SELECT NULL::oid, oid, false, true FROM me
    UNION
    SELECT coalesce(r.first, e.roleid), e.roleid, hop.lending, hop.becomes
      FROM reached r JOIN edge e ON e.member = r.role, LATERAL (
        SELECT r.lending, r.becomes AND e.becomes WHERE r.becomes AND e.becomes OR e.inherits
        UNION ALL SELECT true, true WHERE e.admin AND e.roleid NOT IN (SELECT oid FROM lent)) AS hop (lending, becomes)
     WHERE e.roleid NOT IN (SELECT oid FROM needed)
  ),
  brings AS (
    SELECT r.first, r.lending, CASE WHEN r.role = r.first THEN what ELSE format('%s (through %I)', what, p.rolname) END AS what
      FROM reached r JOIN pg_roles p ON p.oid = r.role, LATERAL (
        SELECT word AS what
          FROM (VALUES ('SUPERUSER', p.rolsuper), ('CREATEROLE', p.rolcreaterole), ('CREATEDB', p.rolcreatedb),
                       ('REPLICATION', p.rolreplication), ('BYPASSRLS', p.rolbypassrls)) AS attribute (word, has)
         WHERE has AND r.becomes
        UNION ALL
        SELECT 'a role of the server''s own'
         WHERE p.rolname LIKE 'pg\\_%' AND (r.lending OR p.rolname <> 'pg_use_reserved_connections') AND (NOT r.lending OR r.role = r.first OR p.rolname <> ALL ($5::text[]))
        UNION ALL
        SELECT format('%s %s things in %s', CASE s.deptype WHEN 'o' THEN 'owns' ELSE 'rights on' END, count(*),
                      coalesce(quote_ident(d.datname), 'the server'))
          FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
         WHERE NOT r.lending AND s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.role
           AND (s.deptype = 'o'
             OR s.deptype = 'a'
            AND s.classid NOT IN ('pg_namespace'::regclass, 'pg_database'::regclass, 'pg_auth_members'::regclass))
         GROUP BY s.deptype, d.datname
      ) AS brought
  )
  SELECT p.rolname::text AS role, p.oid IN (SELECT oid FROM lent) AS lent,
         ARRAY(SELECT DISTINCT what FROM brings WHERE first = p.oid AND NOT lending ORDER BY what) AS uses,
         ARRAY(SELECT DISTINCT what FROM brings WHERE first = p.oid AND lending ORDER BY what) AS lends,
         (SELECT json_agg(json_build_object('by', pg_get_userbyid(e.grantor), 'admin', e.admin, 'inherits', e.inherits,
                                            'becomes', e.becomes, 'handed', h.handed))
            FROM edge e, me,
                 LATERAL (SELECT EXISTS (SELECT FROM edge o WHERE o.grantor = me.oid AND o.roleid = e.roleid) AS handed) h
           WHERE e.member = me.oid AND e.roleid = p.oid) AS given
    FROM pg_roles p WHERE p.oid IN (SELECT first FROM reached) ORDER BY 1`;

const LEFT = `
  me AS (SELECT oid FROM pg_roles WHERE rolname = $1),
  kept AS (
    SELECT e.* FROM edge e JOIN pg_roles p ON p.oid = e.roleid
     WHERE p.rolname !~ $3 AND NOT (e.member = (SELECT oid FROM me) AND p.rolname = ANY ($2::text[]))),
  usable (oid) AS (SELECT oid FROM me UNION SELECT k.roleid FROM usable u JOIN kept k ON k.member = u.oid WHERE k.inherits),
  becomes (oid) AS (SELECT oid FROM me UNION SELECT k.roleid FROM becomes b JOIN kept k ON k.member = b.oid WHERE k.becomes)
  SELECT ARRAY(SELECT pg_get_userbyid(oid)::text FROM usable) AS usable,
         ARRAY(SELECT pg_get_userbyid(oid)::text FROM becomes) AS becomes`;
