import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import { rightsFindings } from './check-rights';
import type { Checkup } from './checkup';
import { whatItServes } from './tombstones';
import { SAFE_CREATEROLE } from './versions';

const NAMED = 5;

interface Owner {
  readonly isFirst: boolean;
  readonly attributes: readonly string[];
  readonly groups: readonly { group: string; by: string }[];
  readonly others: readonly string[];
}

/** The role that gets the data that holders leave behind. Whatever is still run with its rights is to have none. */
export async function ownerFindings(checkup: Checkup): Promise<CheckFinding[]> {
  const { session, account, server, entitlements, memberships } = checkup;
  const { objectsOwner, user } = account.connection;
  const [owner, me] = [quoted(objectsOwner), quoted(user)];
  const isModern = server.major >= SAFE_CREATEROLE;
  const join = [`GRANT ${owner} TO ${me}${isModern ? ' WITH INHERIT TRUE, SET TRUE' : ''};`];
  if (!isModern) join.push(`ALTER ROLE ${me} INHERIT;`);
  const [found] = await session.query<Owner>(QUERY, [objectsOwner]);
  if (!found)
    return [{ kind: 'missing', message: `there is no role ${owner}`, sql: [`CREATE ROLE ${owner} NOLOGIN;`, ...join] }];
  const findings = excessFindings(owner, found, isModern);
  findings.push(...(await rightsFindings(checkup, { role: objectsOwner, title: owner, ownsNothing: false })));
  findings.push(...(await servedFindings(checkup, owner)));
  if (!memberships.usable.includes(objectsOwner) || !memberships.becomes.includes(objectsOwner))
    findings.push({ kind: 'missing', message: `our account cannot give objects to ${owner}`, sql: join });
  if (entitlements.some(({ groupRole }) => groupRole === objectsOwner))
    findings.push({
      kind: 'wrong',
      message: `${owner} is an entitlement's group role too: what one leaves, others could run`,
    });
  return findings;
}

/** Left by grants that somebody opened to others again: with a view they would reach what others left. */
async function servedFindings({ account }: Checkup, owner: string): Promise<CheckFinding[]> {
  const { objectsOwner } = account.connection;
  const { usable } = await whatItServes(account, objectsOwner, 'curfew-check');
  return [...Map.groupBy(usable, ({ database }) => database)].map(([database, some]): CheckFinding => {
    const sql = some.flatMap((one) => (one.sql === null ? [] : [`${one.sql};`]));
    const names = some.slice(0, NAMED).map(({ what }) => what);
    const more = some.length > NAMED ? ', …' : '';
    const message = `in ${quoted(database)} others can use what ${owner} got from holders: ${names.join('; ')}${more}`;
    const rest = 'Drop that trigger or foreign key, or give the function or the table another owner.';
    return { kind: 'excess', message, database, ...(sql.length > 0 ? { sql } : { remedy: rest }) };
  });
}

function excessFindings(
  owner: string,
  { isFirst, attributes, groups, others }: Owner,
  isModern: boolean,
): CheckFinding[] {
  return [
    ...attributes.map((word): CheckFinding => {
      const mend = isFirst
        ? { remedy: 'Make another role for it: it is the one that the server was made with.' }
        : { sql: [`ALTER ROLE ${owner} NO${word};`] };
      return { kind: 'excess', message: `${owner} has ${word}`, ...mend };
    }),
    ...groups.map(({ group, by }): CheckFinding => {
      const message = `${owner} is a member of ${quoted(group)}: what is left behind would be used with its rights`;
      const grantor = isModern ? ` GRANTED BY ${quoted(by)}` : '';
      return { kind: 'excess', message, sql: [`REVOKE ${quoted(group)} FROM ${owner}${grantor};`] };
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
  SELECT oid = 10 AS "isFirst",
         ARRAY(SELECT word FROM (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
                                        ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls), ('LOGIN', rolcanlogin))
                                        AS attribute (word, has) WHERE has) AS attributes,
         (SELECT coalesce(json_agg(json_build_object('group', pg_get_userbyid(roleid), 'by', pg_get_userbyid(grantor))), '[]')
            FROM pg_auth_members WHERE member = o.oid) AS groups,
         ARRAY(SELECT pg_get_userbyid(member)::text FROM pg_auth_members
                WHERE roleid = o.oid AND pg_get_userbyid(member) <> current_user) AS others
    FROM pg_roles o WHERE rolname = $1`;
