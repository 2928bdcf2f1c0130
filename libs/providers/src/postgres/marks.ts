import { escapeIdentifier, escapeLiteral } from 'pg';

/**
 * The roles of grants, as rows of `mark` (the name that the grant gave it), `oid` and `name` (the one that it has): by their
 * names, and by the comments that they were made with. Whoever administers the target may have given one another name;
 * its password and its rights are the same then.
 *
 * @param marks the SQL of an array of names
 */
export const rolesMarked = (marks: string): string => `
  SELECT wanted.mark, r.oid, r.rolname AS name FROM unnest(${marks}) AS wanted (mark) JOIN pg_roles r ON r.rolname = wanted.mark
   UNION
  SELECT d.description, r.oid, r.rolname FROM pg_shdescription d JOIN pg_roles r ON r.oid = d.objoid
   WHERE d.classoid = 'pg_authid'::regclass AND d.description = ANY (${marks})`;

/** The comment by which the role is known whatever it is called. */
export const markRole = (name: string): string => `COMMENT ON ROLE ${escapeIdentifier(name)} IS ${escapeLiteral(name)}`;
