/**
 * A live grant of nothing, written past the triggers by the superuser: for what looks at deadlines only.
 *
 * @param beganSecondsAgo when it began, on the database's clock
 * @returns the statements, for one session; the last one returns its id and when it ends
 */
export const bareGrant = (seconds: number, beganSecondsAgo = 0): [string, string] => [
  'SET session_replication_role = replica',
  `INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, state, revision, duration_seconds, activate_by, ends_at, activated_at)
   SELECT gen_random_uuid(), sha256('x'), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'active', 3, ${seconds},
          at, at + make_interval(secs => ${seconds}), at
   FROM (SELECT clock_timestamp() - make_interval(secs => ${beganSecondsAgo}) AS at) now RETURNING id, ends_at AS "endsAt"`,
];
