import type { House } from './house';

/** Active grants whose time was over before anybody looked, in the order in which they are due. */
export async function manyDue(house: House, identityId: string, count: number): Promise<string[]> {
  await house.owner.transaction(async (tx) => {
    await tx.query(`SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true)`);
    await tx.query(
      `INSERT INTO requests (identity_id, duration_seconds, reason_commitment, scope_hash, policy_version, signed_in_at, lapses_at)
       SELECT $1, 1, sha256('x'), sha256('x'), 'v', clock_timestamp(), clock_timestamp() + interval '1 hour' FROM generate_series(1, $2)`,
      [identityId, count],
    );
    await tx.query(
      `INSERT INTO request_entitlements (request_id, created_at, entitlement_id, position)
       SELECT r.id, r.created_at, e.id, 0 FROM requests r, entitlements e WHERE e.name = 'read'`,
    );
    await tx.query(`UPDATE requests SET state = 'approved', revision = 2, decided_at = clock_timestamp()`);
    await tx.query(
      `INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, duration_seconds, activate_by, ends_at)
       SELECT r.id, r.scope_hash, r.identity_id, e.target_id, e.id, 1, latest.start, latest.start + row_number() OVER () * interval '1 millisecond' - interval '1 minute'
       FROM requests r, entitlements e, (SELECT clock_timestamp() AS start) latest WHERE e.name = 'read'`,
    );
    await tx.query(`UPDATE grants SET state = 'activating', revision = 2`);
    await tx.query(`UPDATE grants SET state = 'active', revision = 3, activated_at = clock_timestamp()`);
  });
  const rows = await house.owner.query<{ id: string }[]>('SELECT id FROM grants ORDER BY ends_at');
  return rows.map((row) => row.id);
}
