import { describe, expect, it } from 'vitest';
import { TEST_AUTHORITY } from '../../../../test/support/target-server';
import { credentialOf } from './credential';
import { postgresConnection, postgresEntitlement } from './postgres.schemas';

const file = { host: 'db.example.com', user: 'curfew', objectsOwner: 'objects' };
const right = { database: 'orders', groupRole: 'orders_read' };

describe("a PostgreSQL target's file", () => {
  it('verifies the server unless it says otherwise in so many words', () => {
    expect(postgresConnection.parse(file)).toEqual({
      ...file,
      port: 5_432,
      database: 'postgres',
      tls: { mode: 'verify-full' },
    });
    expect(postgresConnection.parse({ ...file, tls: { mode: 'disable' } }).tls).toEqual({ mode: 'disable' });
    for (const tls of [
      false,
      {},
      'disable',
      { mode: 'require' },
      { mode: 'verify-full', rejectUnauthorized: false },
      { mode: 'disable', ca: TEST_AUTHORITY },
    ])
      expect(postgresConnection.safeParse({ ...file, tls }).success).toBe(false);
  });

  it.each([
    { ...file, password: 'secret' },
    { ...file, host: '/var/run/postgresql' },
    { ...file, host: 'db example' },
    { ...file, host: '' },
    { ...file, port: 0 },
    { ...file, port: '5432' },
    { ...file, user: 'x'.repeat(64) },
    { ...file, user: 'a\0b' },
    { ...file, objectsOwner: 'pg_database_owner' },
    { ...file, objectsOwner: 'curfew' },
    { ...file, acceptCreateroleOn15: false },
    { ...file, tls: { mode: 'verify-full', ca: 'not a certificate' } },
    { ...file, tls: { mode: 'verify-full', serverName: 'other.example.com' } },
  ])('refuses %j', (connection) => {
    expect(postgresConnection.safeParse(connection).success).toBe(false);
  });

  it.each([
    { ...right, groupRole: 'pg_read_all_data' },
    { ...right, groupRole: 'public' },
    { ...right, groupRole: '' },
    { ...right, groupRole: 'ü'.repeat(32) },
    { ...right, database: 'a\0b' },
    { ...right, connectionLimit: -1 },
    { ...right, connectionLimit: 0 },
    { ...right, superuser: true },
  ])('refuses the entitlement %j', (entitlement) => {
    expect(postgresEntitlement.safeParse(entitlement).success).toBe(false);
  });

  it('takes names of up to 63 bytes with anything in them', () => {
    const groupRole = `we"ird 'n\\é;--`.padEnd(62, 'x');
    expect(postgresEntitlement.parse({ ...right, groupRole })).toEqual({ ...right, groupRole, connectionLimit: 5 });
  });
});

describe('a credential for libpq', () => {
  const login = { username: 'curfew-x', password: 'p' };
  const handedOver = (tls: unknown, host = file.host): ReturnType<ReturnType<typeof credentialOf>['reveal']> =>
    credentialOf(postgresConnection.parse({ ...file, host, tls }), postgresEntitlement.parse(right), login).reveal();
  const common = { PGPORT: '5432', PGDATABASE: 'orders', PGUSER: 'curfew-x', PGPASSWORD: 'p' };

  it('verifies the server as Curfew itself does', () => {
    expect(handedOver({ mode: 'verify-full' })).toEqual({
      fields: { host: file.host, port: '5432', database: 'orders', ...login, sslmode: 'verify-full' },
      environment: { ...common, PGHOST: file.host, PGSSLMODE: 'verify-full', PGSSLROOTCERT: 'system' },
    });
    expect(handedOver({ mode: 'disable' }).environment).toEqual({ ...common, PGHOST: file.host, PGSSLMODE: 'disable' });
  });

  it('brings the authority along as a file, and the name in the certificate apart from the address', () => {
    const { environment, files } = handedOver(
      { mode: 'verify-full', ca: TEST_AUTHORITY, serverName: 'db.curfew.test' },
      '192.0.2.1',
    );
    expect(files).toEqual({ PGSSLROOTCERT: TEST_AUTHORITY });
    expect(environment).toEqual({
      ...common,
      PGHOST: 'db.curfew.test',
      PGHOSTADDR: '192.0.2.1',
      PGSSLMODE: 'verify-full',
    });
  });
});
