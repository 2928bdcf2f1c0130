import { describe } from 'vitest';
import { Secret } from '@app/kernel';
import { waitFor } from '../../../../scripts/waiting';
import { FragileLine } from '../../../../test/support/fragile-line';
import { aPostgresTarget } from '../../../../test/support/postgres-target';
import { describeProviderContract, type ContractSubject } from '../../../../test/support/provider-contract';
import { TargetServer } from '../../../../test/support/target-server';
import { PostgresProvider } from './postgres.provider';

async function start(binaries?: string): Promise<ContractSubject> {
  const server = await TargetServer.start(binaries);
  const target = await aPostgresTarget(server);
  const lines: FragileLine[] = [];
  const { access, connection } = target;
  const now = async (): Promise<Date> => {
    const [row] = await target.sql<{ now: Date }>('SELECT clock_timestamp() AS now');
    return row!.now;
  };
  return {
    provider: new PostgresProvider(),
    target: access,
    entitlement: target.read,
    refused: { connection, password: new Secret('not the password') },
    unreachable: { connection: { ...connection, port: 1 }, password: access.password },
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

describeProviderContract('PostgreSQL 18', () => start());

const POSTGRES_15 = process.env['CURFEW_TEST_POSTGRES_15_BIN'];
describe.skipIf(!POSTGRES_15)('with the binaries in CURFEW_TEST_POSTGRES_15_BIN (left out when it is not set)', () => {
  describeProviderContract('PostgreSQL 15', () => start(POSTGRES_15));
});
