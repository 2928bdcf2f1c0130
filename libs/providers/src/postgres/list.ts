import { grantOfObject, type Listed } from '../provider';
import { serverIdentity, type Account } from './account';

/** The grants of an installation that have a role on the server, tombstones included. */
export function list(account: Account, installation: string): Promise<Listed> {
  return account.with('curfew-list', async (session) => {
    // By its comment, one that somebody has called something else.
    const rows = await session.query<{ name: string }>(
      `SELECT rolname::text AS name FROM pg_roles WHERE starts_with(rolname, 'curfew-')
        UNION
       SELECT d.description FROM pg_shdescription d JOIN pg_roles r ON r.oid = d.objoid
        WHERE d.classoid = 'pg_authid'::regclass AND starts_with(d.description, 'curfew-') ORDER BY 1`,
    );
    const grants = rows.map(({ name }) => grantOfObject(name)).filter((grant) => grant !== undefined);
    const ours = grants.filter((grant) => grant.installation === installation).map(({ grantId }) => grantId);
    return { grants: ours, server: await serverIdentity(session) };
  });
}
