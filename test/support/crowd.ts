import type { DataSource } from 'typeorm';

/** How many requests the crowd has asked; half as many grants came of them, of which nine in ten have ended. */
export const CROWD = 24_000;

/**
 * A house that has been in use for a while: 300 people, 60 targets of 20 owners with 2 entitlements each, 24,000 requests
 * and what came of them. Written by the database itself, past its triggers.
 */
export async function aCrowd(owner: DataSource): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx.query(`SET LOCAL session_replication_role = replica`);
    await tx.query(`SET LOCAL statement_timeout = '120s'`);
    for (const sql of STATEMENTS) await tx.query(sql);
  });
  await owner.query('ANALYZE');
}

const STATEMENTS = [
  `INSERT INTO identities (kind, connection_id, subject, name, email)
   SELECT 'human', c.id, 'crowd-' || n, 'Crowd ' || n, 'crowd-' || n || '@example.com' FROM connections c, generate_series(1, 300) n`,
  `INSERT INTO targets (name, kind, owner_group, connection, password_sealed, config_hash)
   SELECT 'crowd-' || n, 'fake', 'team-' || n % 20, '{}', '\\x00', sha256('x') FROM generate_series(1, 60) n`,
  `INSERT INTO entitlements (target_id, name, config)
   SELECT t.id, e.name, '{}' FROM targets t, (VALUES ('read'), ('write')) e (name) WHERE t.name LIKE 'crowd-%'`,
  `CREATE TEMPORARY TABLE people ON COMMIT DROP AS SELECT row_number() OVER (ORDER BY subject) - 1 AS n, id FROM identities WHERE subject LIKE 'crowd-%'`,
  `CREATE TEMPORARY TABLE offers ON COMMIT DROP AS
   SELECT row_number() OVER (ORDER BY t.name, e.name) - 1 AS n, e.id, e.target_id, t.owner_group FROM entitlements e JOIN targets t ON t.id = e.target_id WHERE t.name LIKE 'crowd-%'`,
  `CREATE TEMPORARY TABLE asked ON COMMIT DROP AS
   SELECT n, gen_random_uuid() AS id, (n * 7919::bigint) % 300 AS person, (n * 104729::bigint) % 120 AS offer,
          date_trunc('milliseconds', clock_timestamp() - n * interval '3 minutes') AS at,
          CASE WHEN n <= 100 THEN 'pending' WHEN n % 2 = 0 THEN 'approved' WHEN n % 5 = 0 THEN 'denied' WHEN n % 7 = 0 THEN 'withdrawn' ELSE 'lapsed' END AS state
   FROM generate_series(1, ${CROWD}) n`,
  `INSERT INTO requests (id, identity_id, state, revision, duration_seconds, reason_commitment, scope_hash, policy_version, signed_in_at, created_at, lapses_at, decided_at)
   SELECT a.id, p.id, a.state, CASE a.state WHEN 'pending' THEN 1 ELSE 2 END, 3600, sha256(a.id::text::bytea), sha256('x'), 'v', a.at, a.at,
          CASE a.state WHEN 'pending' THEN clock_timestamp() + interval '1 hour' ELSE a.at + interval '1 hour' END,
          CASE a.state WHEN 'pending' THEN NULL ELSE a.at + interval '1 minute' END
   FROM asked a JOIN people p ON p.n = a.person`,
  `INSERT INTO request_entitlements (request_id, created_at, entitlement_id, position) SELECT a.id, a.at, o.id, 0 FROM asked a JOIN offers o ON o.n = a.offer`,
  `INSERT INTO request_paths (request_id, created_at, entitlement_id, policy, approvals_needed, approver_group)
   SELECT a.id, a.at, o.id, 'policy', 1, 'approvers-' || a.offer % 12 FROM asked a JOIN offers o ON o.n = a.offer`,
  `INSERT INTO decisions (request_id, scope_hash, identity_id, state, policy_version, policies, entitlement_ids)
   SELECT a.id, sha256('x'), p.id, CASE a.state WHEN 'denied' THEN 'deny' ELSE 'approve' END, 'v', '{policy}', ARRAY[o.id]
   FROM asked a JOIN offers o ON o.n = a.offer JOIN people p ON p.n = (a.person + 1) % 300 WHERE a.state IN ('approved', 'denied')`,
  `CREATE TEMPORARY TABLE granted ON COMMIT DROP AS
   SELECT a.*, gen_random_uuid() AS grant_id, a.at + interval '1 minute' AS begun,
          CASE WHEN a.n <= 2400 THEN 'active' WHEN a.n <= 2420 THEN 'stuck' ELSE 'ended' END AS grant_state FROM asked a WHERE a.state = 'approved'`,
  `INSERT INTO grants (id, request_id, scope_hash, identity_id, target_id, entitlement_id, state, revision, duration_seconds, activate_by, ends_at,
          activated_at, ending_at, end_reason, stuck_at, ended_at, evidence_digest, created_at)
   SELECT g.grant_id, g.id, sha256('x'), p.id, o.target_id, o.id, g.grant_state, 5, 3600, CASE g.grant_state WHEN 'active' THEN clock_timestamp() + g.n * interval '1 minute' ELSE g.begun END,
          CASE g.grant_state WHEN 'active' THEN clock_timestamp() + g.n * interval '1 minute' ELSE g.begun END, g.begun,
          CASE WHEN g.grant_state <> 'active' THEN g.begun END, CASE WHEN g.grant_state <> 'active' THEN 'expired' END,
          CASE WHEN g.grant_state = 'stuck' THEN g.begun END, CASE WHEN g.grant_state = 'ended' THEN g.begun END,
          CASE WHEN g.grant_state = 'ended' THEN sha256('x') END, g.begun
   FROM granted g JOIN people p ON p.n = g.person JOIN offers o ON o.n = g.offer`,
  `INSERT INTO grant_groups (grant_id, created_at, approver_group) SELECT grant_id, begun, 'approvers-' || offer % 12 FROM granted`,
  `INSERT INTO credentials (grant_id, version, state, revision, sealed, proof_sealed, picked_up_at)
   SELECT grant_id, 1, CASE grant_state WHEN 'active' THEN 'picked_up' ELSE 'destroyed' END, 2, NULL, CASE grant_state WHEN 'active' THEN '\\x00'::bytea END, begun FROM granted`,
  `INSERT INTO evidence (grant_id, kind, body) SELECT grant_id, kind, '{}' FROM granted, (VALUES ('issue'), ('end'), ('proof')) k (kind)`,
  // Finished work is forgotten after a day: what is here is of today.
  `INSERT INTO operations (kind, subject_id, target_id, correlation, run_after, finished_at)
   SELECT 'begin', grant_id, o.target_id, 'c', begun, clock_timestamp() - g.n * interval '3 seconds' FROM granted g JOIN offers o ON o.n = g.offer UNION ALL
   SELECT 'end', grant_id, o.target_id, 'c', begun, CASE WHEN grant_state = 'ended' THEN clock_timestamp() - g.n * interval '3 seconds' END
   FROM granted g JOIN offers o ON o.n = g.offer WHERE grant_state <> 'active'`,
  `INSERT INTO sign_ins (connection_id, state, revision, handle_hash, poll_interval_seconds, next_poll_at, max_age_seconds, lapses_at, identity_id, signed_in_at, ends_at, end_reason)
   SELECT c.id, CASE WHEN a.n <= 600 THEN 'completed' ELSE 'ended' END, 2, sha256(a.id::text::bytea), 5, a.at, 3600, a.at, p.id, a.at,
          CASE WHEN a.n <= 600 THEN clock_timestamp() + interval '1 hour' ELSE a.at END, CASE WHEN a.n > 600 THEN 'expired' END
   FROM asked a JOIN people p ON p.n = a.person, connections c`,
  // Of others: the reasons of the crowd are erased.
  `INSERT INTO audit_values (commitment, sealed) SELECT sha256(('other' || id)::bytea), '\\x00' FROM asked`,
  `INSERT INTO audit_events (subject_kind, subject_id, sequence, from_state, to_state, at, actor, correlation, canonical)
   SELECT 'request', a.id, s.n, NULL, 'pending', a.at, p.id::text, 'c-' || a.n, '{}' FROM asked a JOIN people p ON p.n = a.person, generate_series(1, 3) s (n)`,
  `INSERT INTO idempotency_keys (identity_id, key, request_hash) SELECT p.id, a.id::text, sha256('x') FROM asked a JOIN people p ON p.n = a.person`,
];
