import { grantOfObject } from '../provider';
import type { Account } from './account';

/** The grants of an installation that have a role on the server, tombstones included. */
export function list(account: Account, installation: string): Promise<string[]> {
  return account.with('curfew-list', async (session) => {
    const rows = await session.query<{ name: string }>(
      `SELECT rolname AS name FROM pg_roles WHERE starts_with(rolname, 'curfew-') ORDER BY 1`,
    );
    const grants = rows.map(({ name }) => grantOfObject(name)).filter((grant) => grant !== undefined);
    return grants.filter((grant) => grant.installation === installation).map(({ grantId }) => grantId);
  });
}
