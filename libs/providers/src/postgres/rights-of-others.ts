/**
 * The rights of others on what a role owns in a database: one row for each thing or column, whom, and by whom. Databases and
 * tablespaces are left out: to enter one is to use nothing of what the role made. The types of tables and arrays have no
 * rights of their own.
 *
 * @param owner an expression for its OID
 */
export const rightsOfOthers = (owner: string): string => `
  SELECT DISTINCT o.class, o.id, o.part, a.grantee, a.grantor
    FROM (
      SELECT 'pg_class'::regclass::oid AS class, oid AS id, 0 AS part,
             coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
        FROM pg_class WHERE relowner = ${owner} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      UNION ALL
      SELECT 'pg_class'::regclass, c.oid, a.attnum, a.attacl
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped WHERE c.relowner = ${owner}
      UNION ALL
      SELECT 'pg_proc'::regclass, oid, 0, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE proowner = ${owner}
      UNION ALL
      SELECT 'pg_namespace'::regclass, oid, 0, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspowner = ${owner}
      UNION ALL
      SELECT 'pg_type'::regclass, t.oid, 0, coalesce(t.typacl, acldefault('T', t.typowner)) FROM pg_type t
       WHERE t.typowner = ${owner} AND t.typtype <> 'm' AND t.typsubscript <> 'array_subscript_handler'::regproc
         AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
      UNION ALL
      SELECT 'pg_largeobject'::regclass, oid, 0, coalesce(lomacl, acldefault('L', lomowner))
        FROM pg_largeobject_metadata WHERE lomowner = ${owner}
      UNION ALL
      SELECT 'pg_language'::regclass, oid, 0, coalesce(lanacl, acldefault('l', lanowner)) FROM pg_language WHERE lanowner = ${owner}
      UNION ALL
      SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, coalesce(fdwacl, acldefault('F', fdwowner))
        FROM pg_foreign_data_wrapper WHERE fdwowner = ${owner}
      UNION ALL
      SELECT 'pg_foreign_server'::regclass, oid, 0, coalesce(srvacl, acldefault('S', srvowner))
        FROM pg_foreign_server WHERE srvowner = ${owner}
    ) AS o, LATERAL aclexplode(o.acl) a
   WHERE a.grantee <> ${owner}`;

/**
 * Words and statements for such rights: `what` somebody may use, and the `sql` that revokes it. What somebody else gave who
 * may not give it any more is out of reach for the owner (a right on a column that was given in a transaction of its own,
 * while the giver's was taken away): the giver gets the right for the moment, and everything that came from there goes with it.
 *
 * @param rights a query for rows of {@link rightsOfOthers}
 */
export const revocations = (owner: string, rights: string): string => `
  SELECT format('%s may use %s', replace(w.whom, 'PUBLIC', 'everybody'), pg_describe_object(r.class, r.id, 0)) AS what,
         CASE WHEN r.grantor = ${owner} THEN format('REVOKE ALL%s ON %s %s FROM %s CASCADE', columns.named, k.word, n.name, w.whom)
              ELSE format('GRANT ALL%1$s ON %2$s %3$s TO %4$s WITH GRANT OPTION; REVOKE ALL%1$s ON %2$s %3$s FROM %4$s CASCADE',
                          columns.named, k.word, n.name, quote_ident(pg_get_userbyid(r.grantor))) END AS sql
    FROM (${rights}) AS r
         LEFT JOIN pg_class c ON r.class = 'pg_class'::regclass AND c.oid = r.id
         LEFT JOIN pg_proc p ON r.class = 'pg_proc'::regclass AND p.oid = r.id
         LEFT JOIN pg_attribute a ON r.part <> 0 AND a.attrelid = c.oid AND a.attnum = r.part,
         LATERAL (SELECT CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' WHEN c.oid IS NOT NULL THEN 'TABLE'
                              WHEN p.prokind = 'p' THEN 'PROCEDURE' WHEN p.oid IS NOT NULL THEN 'FUNCTION'
                              WHEN r.class = 'pg_namespace'::regclass THEN 'SCHEMA' WHEN r.class = 'pg_type'::regclass THEN 'TYPE'
                              WHEN r.class = 'pg_largeobject'::regclass THEN 'LARGE OBJECT'
                              WHEN r.class = 'pg_language'::regclass THEN 'LANGUAGE'
                              WHEN r.class = 'pg_foreign_data_wrapper'::regclass THEN 'FOREIGN DATA WRAPPER'
                              ELSE 'FOREIGN SERVER' END) k (word),
         -- A procedure is found by its modes too, or it may be taken for another one of the same name.
         LATERAL (SELECT CASE p.prokind WHEN 'p' THEN format('%I.%I(%s)', (SELECT nspname FROM pg_namespace WHERE oid = p.pronamespace),
                                                             p.proname, pg_get_function_identity_arguments(p.oid))
                                        ELSE (pg_identify_object(r.class, r.id, 0)).identity END) n (name),
         LATERAL (SELECT CASE WHEN a.attnum IS NULL THEN '' ELSE format(' (%I)', a.attname) END) columns (named),
         LATERAL (SELECT CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END) w (whom)`;
