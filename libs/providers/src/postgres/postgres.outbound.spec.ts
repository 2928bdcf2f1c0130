import type { LookupAddress } from 'node:dns';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anOrder, aPostgresTarget, type PostgresTarget } from '../../../../test/support/postgres-target';
import { TargetServer, TEST_AUTHORITY } from '../../../../test/support/target-server';
import type { TargetAccess } from '../provider';
import { TargetNetworks } from '../target-networks';
import { PostgresProvider } from './postgres.provider';

describe('a server at an address where no target may be', () => {
  let server: TargetServer;
  let target: PostgresTarget;
  beforeAll(async () => {
    server = await TargetServer.start();
    target = await aPostgresTarget(server);
  });
  afterAll(() => server?.stop());

  const at = (host: string, tls: object = { mode: 'disable' }): TargetAccess => ({
    ...target.access,
    connection: { ...target.connection, host, tls },
  });
  const refused = { kind: 'invalid', code: 'target.address_not_allowed', details: { network: 'loopback' } };

  it.each(['127.0.0.1', 'localhost', '127.1', '0:0:0:0:0:ffff:127.0.0.1'])(
    'is not asked anything: %s',
    async (host) => {
      const provider = new PostgresProvider();
      const access = at(host);
      const order = anOrder(target.read);
      await expect(provider.issue(access, order)).rejects.toMatchObject(refused);
      await expect(provider.list(access, order.grant.installation)).rejects.toMatchObject(refused);
      // An end that cannot be shown is never one.
      await expect(provider.end(access, order.grant)).rejects.toMatchObject(refused);
      expect((await provider.prove(access, order.grant)).verdict).toBe('unknown');
      expect(await provider.check(access, [target.read])).toEqual({
        ok: false,
        findings: [
          expect.objectContaining({ kind: 'notice' }),
          {
            kind: 'wrong',
            message: expect.stringContaining('(loopback), where no target may be'),
            remedy: expect.stringContaining('ALLOWED_TARGET_NETWORKS'),
          },
        ],
      });
    },
  );

  it('is refused as soon as its name leads there, in the middle of a grant’s life as well', async () => {
    let answer: LookupAddress = { address: '127.0.0.1', family: 4 };
    const networks = new TargetNetworks(['127.0.0.1'], (_host, _options, done) => done(null, [answer]));
    const provider = new PostgresProvider(networks);
    // The certificate is for the name, not for the address that the name leads to.
    const access = at('db.curfew.test', { mode: 'verify-full', ca: TEST_AUTHORITY });
    const order = anOrder(target.read);
    await provider.issue(access, order);
    answer = { address: '127.0.0.2', family: 4 };
    await expect(provider.end(access, order.grant)).rejects.toMatchObject(refused);
    expect((await provider.prove(access, order.grant)).verdict).toBe('unknown');
    answer = { address: '127.0.0.1', family: 4 };
    await provider.end(access, order.grant);
    expect((await provider.prove(access, order.grant)).verdict).toBe('ended');
  });

  it('is not trusted under another name than its own', async () => {
    const networks = new TargetNetworks(['127.0.0.1'], (_host, _options, done) =>
      done(null, [{ address: '127.0.0.1', family: 4 }]),
    );
    const access = at('db.other.test', { mode: 'verify-full', ca: TEST_AUTHORITY });
    await expect(new PostgresProvider(networks).issue(access, anOrder(target.read))).rejects.toMatchObject({
      code: 'target.peer_not_trusted',
    });
  });

  it.each(['/run/postgresql', '/tmp', '@abstract', './x', 'http://169.254.169.254', '[::1]', 'a b', '127.0.0.1/8'])(
    'is no path and no URL: %s',
    (host) => {
      expect(new PostgresProvider().connection.safeParse({ ...target.connection, host }).success).toBe(false);
    },
  );
});
