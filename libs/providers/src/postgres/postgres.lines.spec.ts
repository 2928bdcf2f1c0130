import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import type { TargetAccess } from '@app/providers';
import { anOrder, aPostgresTarget, ON_LOOPBACK, type PostgresTarget } from '../../../../test/support/postgres-target';
import { TargetServer, TEST_AUTHORITY } from '../../../../test/support/target-server';
import { PostgresProvider } from './postgres.provider';

describe('the line to a PostgreSQL target', () => {
  const provider = new PostgresProvider(ON_LOOPBACK);
  let server: TargetServer;
  let target: PostgresTarget;
  beforeAll(async () => {
    server = await TargetServer.start();
    target = await aPostgresTarget(server);
  });
  afterAll(() => server?.stop());

  const over = (connection: Record<string, unknown>): TargetAccess => ({
    connection: { ...target.connection, ...connection },
    password: target.access.password,
  });

  it('verifies the certificate and its name', async () => {
    const trusted = { mode: 'verify-full', ca: TEST_AUTHORITY, serverName: 'db.curfew.test' };
    expect((await provider.list(over({ tls: trusted }), '5eedc0de')).grants).toEqual([]);
    const order = anOrder(target.read);
    const { credential } = await provider.issue(over({ tls: trusted }), order);
    expect(credential.reveal().environment).toMatchObject({ PGHOST: 'db.curfew.test', PGHOSTADDR: server.host });
    expect((await provider.end(over({ tls: trusted }), order.grant)).leftovers).toEqual([]);
    for (const tls of [
      { mode: 'verify-full' },
      { mode: 'verify-full', ca: TEST_AUTHORITY },
      { ...trusted, serverName: 'other.curfew.test' },
    ])
      await expect(provider.list(over({ tls }), '5eedc0de')).rejects.toMatchObject({
        kind: 'invalid',
        code: 'target.peer_not_trusted',
      });
  });

  it('is never in the clear when the server has no TLS', async () => {
    const { port, close } = await aServerThatSays('N');
    const attempt = provider.list(over({ port, tls: { mode: 'verify-full' } }), '5eedc0de');
    await expect(attempt).rejects.toMatchObject({ code: 'target.peer_not_trusted' });
    await close();
  });

  it('sends no password in the clear without TLS, whoever asks for it', async () => {
    const received: Buffer[] = [];
    // AuthenticationCleartextPassword and AuthenticationMD5Password, as a server on the way would send them.
    for (const request of [
      Buffer.from('520000000800000003', 'hex'),
      Buffer.from('520000000c0000000501020304', 'hex'),
    ]) {
      const { port, close } = await aServerThatSays(request, received);
      await expect(provider.list(over({ port }), '5eedc0de')).rejects.toMatchObject({
        kind: 'invalid',
        code: 'target.authentication_too_weak',
      });
      await close();
    }
    const seen = Buffer.concat(received).toString('latin1');
    expect(seen).toContain(target.admin);
    expect(seen).not.toContain(target.access.password.reveal());
    expect(seen).not.toContain('md5');
  });

  it('gives up on a server that hangs, and what it was doing is unknown', async () => {
    const order = anOrder(target.read);
    server.hang();
    try {
      const calls = [
        provider.issue(target.access, order),
        provider.end(target.access, order.grant),
        provider.list(target.access, order.grant.installation),
      ];
      for (const call of await Promise.allSettled(calls))
        expect(call).toMatchObject({ status: 'rejected', reason: { kind: 'unavailable' } });
      expect((await provider.prove(target.access, order.grant)).verdict).toBe('unknown');
    } finally {
      server.resume();
    }
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
  });

  it('survives a server that hangs in the middle of a start, whose role is then ended', async () => {
    const fence = async (): Promise<void> => server.hang();
    const order = anOrder(target.read, { fence });
    const started = performance.now();
    await expect(provider.issue(target.access, order)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(performance.now() - started).toBeLessThan(25_000);
    server.resume();
    await provider.end(target.access, order.grant);
    expect((await provider.prove(target.access, order.grant)).verdict).toBe('ended');
  });

  it('calls a wrong password of ours a refusal, and a shutdown a pause', async () => {
    const refused = { ...target.access, password: new Secret('wrong') };
    await expect(provider.list(refused, '5eedc0de')).rejects.toMatchObject({
      kind: 'forbidden',
      code: 'target.account_refused',
    });
    const fence = async (): Promise<void> => {
      await target.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${target.admin}'`);
    };
    await expect(provider.issue(target.access, anOrder(target.read, { fence }))).rejects.toMatchObject({
      kind: 'unavailable',
    });
  });

  it('is not swayed by the settings of the role, the database or the environment', async () => {
    await target.sql(
      `ALTER ROLE ${target.admin} SET default_transaction_read_only = on`,
      `ALTER DATABASE ${target.database} SET search_path = public, pg_catalog`,
      `ALTER DATABASE ${target.database} SET datestyle = 'German'`,
    );
    const order = anOrder(target.read);
    const { receipt } = await provider.issue(target.access, order);
    expect(receipt['validUntil']).toBe(order.endsAt.toISOString());
    const [row] = await target.sql<{ until: number }>(
      `SELECT extract(epoch FROM rolvaliduntil)::float8 * 1000 AS until FROM pg_roles WHERE rolname = '${receipt['role']}'`,
    );
    expect(row?.until).toBe(order.endsAt.getTime());
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
  });

  it('takes a deadline that has passed for what it is, and makes nothing', async () => {
    const order = anOrder(target.read, { endsAt: new Date(Date.now() - 1_000) });
    await expect(provider.issue(target.access, order)).rejects.toMatchObject({ code: 'target.deadline_has_passed' });
    expect((await provider.list(target.access, order.grant.installation)).grants).toEqual([]);
  });
});

async function aServerThatSays(
  answer: string | Buffer,
  received: Buffer[] = [],
): Promise<{ port: number; close: () => Promise<void> }> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => received.push(chunk));
    socket.once('data', () => socket.write(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
