import { Secret } from '@app/kernel';
import type { Credential } from '../provider';
import type { PostgresConnection, PostgresEntitlement } from './postgres.schemas';

/** What the holder needs, and the environment in which psql and everything else built on libpq just works. */
export function credentialOf(
  connection: PostgresConnection,
  { database }: PostgresEntitlement,
  login: { username: string; password: string },
): Secret<Credential> {
  const { fields: trust, environment, files } = trustOf(connection);
  const port = String(connection.port);
  const { username, password } = login;
  return new Secret<Credential>({
    fields: { ...trust, port, database, username, password },
    environment: { ...environment, PGPORT: port, PGDATABASE: database, PGUSER: username, PGPASSWORD: password },
    ...(files && { files }),
  });
}

type Trust = Pick<Credential, 'fields' | 'environment' | 'files'>;

/** How a client finds the server and knows it: the same as ourselves. */
function trustOf({ host, tls }: PostgresConnection): Trust {
  if (tls.mode === 'disable')
    return { fields: { host, sslmode: 'disable' }, environment: { PGHOST: host, PGSSLMODE: 'disable' } };
  const { ca, serverName } = tls;
  const fields = { host: serverName ?? host, ...(serverName && { hostaddr: host }), sslmode: tls.mode };
  const environment = {
    PGHOST: fields.host,
    ...(serverName && { PGHOSTADDR: host }),
    PGSSLMODE: tls.mode,
    ...(ca === undefined && { PGSSLROOTCERT: 'system' }),
  };
  if (ca === undefined) return { fields, environment };
  return { fields: { ...fields, sslrootcert: ca }, environment, files: { PGSSLROOTCERT: ca } };
}
