import type { DataSource } from 'typeorm';
import type { CheckResult } from './health';

/** Whether the database answers, and is one that can be written to: a standby answers too. */
export async function takesChanges(database: DataSource): Promise<CheckResult> {
  const [row] = await database.query<{ standby: boolean }[]>('SELECT pg_is_in_recovery() AS standby');
  return row?.standby === false ? { ok: true } : { ok: false, detail: 'a standby: it takes no changes' };
}
