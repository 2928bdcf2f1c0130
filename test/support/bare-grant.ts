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

/** One statement that writes past the triggers, for a superuser. */
export const pastTriggers = (sql: string): string =>
  `BEGIN; SET LOCAL session_replication_role = replica; ${sql}; COMMIT`;

/**
 * Grants of nothing in a state, the first of which came there a minute ago, the next one two minutes ago, and so on: for
 * what counts them. For {@link pastTriggers}.
 */
export const bareGrants = (
  state: 'active' | 'stuck' | 'ended',
  count: number,
  leftovers: readonly object[] = [],
): string => {
  const when = (condition: boolean): string => (condition ? 'at' : 'NULL');
  return `INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, state, revision, duration_seconds, activate_by, ends_at,
     activated_at, ending_at, end_reason, stuck_at, ended_at, evidence_digest, leftovers)
   SELECT gen_random_uuid(), sha256('x'), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '${state}', 5, 3600, at, at + interval '1 hour',
          at, ${when(state !== 'active')}, ${state === 'active' ? 'NULL' : `'expired'`}, ${when(state === 'stuck')}, ${when(state === 'ended')},
          ${state === 'ended' ? `sha256('x')` : 'NULL'}, '${JSON.stringify(leftovers)}'
   FROM generate_series(1, ${count}) n, LATERAL (SELECT clock_timestamp() - n * interval '1 minute' AS at) times`;
};
