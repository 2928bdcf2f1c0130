import { Secret } from '@app/kernel';
import { waitFor } from '../../../../scripts/waiting';
import { FragileLine } from '../../../../test/support/fragile-line';
import { aPostgresTarget, ON_LOOPBACK } from '../../../../test/support/postgres-target';
import { describeEndsManyContract, type ManySubject } from '../../../../test/support/ends-many-contract';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { describeProviderContract } from '../../../../test/support/provider-contract';
import { TargetServer } from '../../../../test/support/target-server';
import { PostgresProvider } from './postgres.provider';

async function start(binaries?: string): Promise<ManySubject> {
  const server = await TargetServer.start(binaries);
  const target = await aPostgresTarget(server);
  // What pg_hba.conf of the test's server is open to.
  const [trusting, { admin, maker }] = ['trusting', target];
  await server.sql(
    'postgres',
    `CREATE DATABASE ${trusting}`,
    `REVOKE ALL ON DATABASE ${trusting} FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE ${trusting} TO ${admin}, ${maker}`,
  );
  const lines: FragileLine[] = [];
  const { access, connection } = target;
  const now = async (): Promise<Date> => {
    const [row] = await target.sql<{ now: Date }>('SELECT clock_timestamp() AS now');
    return row!.now;
  };
  return {
    provider: new PostgresProvider(ON_LOOPBACK),
    target: access,
    entitlement: target.read,
    refused: { connection, password: new Secret('not the password') },
    unreachable: { connection: { ...connection, port: 1 }, password: access.password },
    trusting: { target: access, entitlement: { name: 'read', config: { database: trusting, groupRole: maker } } },
    interrupted: async (steps) => {
      const line = await FragileLine.to(server, steps);
      lines.push(line);
      return { connection: { ...connection, port: line.port }, password: access.password };
    },
    use: async (credential) => {
      const session = await target.use(credential);
      await session.query('SELECT count(*) FROM orders');
      return {
        isAlive: () =>
          session.query('SELECT count(*) FROM orders').then(
            () => true,
            () => false,
          ),
      };
    },
    clock: () => new Date(),
    now,
    reach: async (instant) => {
      await waitFor(async () => (await now()) > instant || undefined, 10_000);
    },
    secrets: [access.password.reveal()],
    close: async () => {
      await Promise.all(lines.map((line) => line.close()));
      await server.stop();
    },
  };
}

describeOnPostgres('one provider', (binaries) => {
  describeProviderContract('PostgreSQL', () => start(binaries));
  describeEndsManyContract('PostgreSQL', () => start(binaries));
});
