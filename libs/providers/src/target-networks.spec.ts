import type { LookupAddress } from 'node:dns';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { AddressNotAllowed, TargetNetworks } from './index';

describe('where a target may be', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['169.254.169.254', 'linkLocal'],
    ['169.254.0.7', 'linkLocal'],
    ['fe80::1', 'linkLocal'],
    ['fd00:ec2::254', 'metadata'],
    ['fd00:0ec2:0:0::254', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:169.254.169.254', 'linkLocal'],
    ['::ffff:100.100.100.200', 'metadata'],
    ['::127.0.0.1', 'loopback'],
    ['::7f00:1', 'loopback'],
    ['64:ff9b::169.254.169.254', 'linkLocal'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['64:ff9b:1::1', 'rfc6052'],
    ['2002:7f00:1::', '6to4'],
    ['2001:0:1::', 'teredo'],
    ['255.255.255.255', 'broadcast'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['240.0.0.1', 'reserved'],
  ])('is not %s (%s), unless it is named', (address, network) => {
    expect(new TargetNetworks().refusal(address)).toMatchObject({ address, network });
    expect(new TargetNetworks(['10.0.0.0/8', 'fd12::/16']).refusal(address)).toBeInstanceOf(AddressNotAllowed);
  });

  it.each([
    '8.8.8.8',
    '10.1.2.3',
    '172.18.0.2',
    '192.168.1.1',
    '100.64.0.1',
    'fd12::1',
    '2606:4700::1',
    '64:ff9b::a00:1',
  ])('is %s without a word', (address) => {
    expect(new TargetNetworks().refusal(address)).toBeUndefined();
  });

  it('is what was named, and no more', () => {
    const networks = new TargetNetworks(['127.0.0.0/8', '169.254.7.7', '::1', 'fe80::/64']);
    const allowed = ['127.0.0.1', '::ffff:127.0.0.1', '169.254.7.7', '::1', 'fe80::9'];
    const refused = ['169.254.7.8', '169.254.169.254', '::', 'fe80:0:0:1::9', '0.0.0.0'];
    expect(allowed.filter((address) => networks.refusal(address))).toEqual([]);
    expect(refused.filter((address) => !networks.refusal(address))).toEqual([]);
  });
});

describe('a connection to a target', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  const aServer = async (host: string): Promise<{ port: number; reached: () => number }> => {
    let reached = 0;
    const server = createServer((socket) => {
      reached += 1;
      socket.end();
    });
    servers.push(server);
    await once(server.listen(0, host), 'listening');
    return { port: (server.address() as AddressInfo).port, reached: () => reached };
  };
  /** A name server that says something else each time. */
  const saying = (...answers: LookupAddress[][]) => {
    let asked = 0;
    const resolve: ConstructorParameters<typeof TargetNetworks>[1] = (_host, _options, answer) => {
      const addresses = answers[Math.min(asked, answers.length - 1)] ?? [];
      asked += 1;
      process.nextTick(() => answer(null, addresses));
    };
    return { resolve, asked: () => asked };
  };
  const v4 = (address: string): LookupAddress => ({ address, family: 4 });
  const v6 = (address: string): LookupAddress => ({ address, family: 6 });
  const connecting = async (networks: TargetNetworks, port: number, host: string): Promise<string> => {
    const socket = networks.socket();
    try {
      return await new Promise<string>((done) => {
        socket.once('error', (error) => done(error.message)).once('connect', () => done(socket.remoteAddress ?? ''));
        socket.connect(port, host);
      });
    } finally {
      socket.destroy();
    }
  };

  it.each(['127.0.0.1', '::ffff:127.0.0.1', '0.0.0.0', 'localhost', '127.1', '0x7f000001', '2130706433', '0177.0.0.1'])(
    'does not reach this machine as %s',
    async (host) => {
      const server = await aServer('127.0.0.1');
      expect(await connecting(new TargetNetworks(), server.port, host)).toMatch(/where no target may be/);
      expect(server.reached()).toBe(0);
    },
  );

  it('is made where it was allowed', async () => {
    const server = await aServer('127.0.0.1');
    expect(await connecting(new TargetNetworks(['127.0.0.0/8']), server.port, '127.0.0.1')).toBe('127.0.0.1');
    expect(await connecting(new TargetNetworks(['127.0.0.0/8']), server.port, 'localhost')).toBe('127.0.0.1');
  });

  it('goes to the very address that was judged: a name that changes its mind leads nowhere', async () => {
    const inside = await aServer('127.0.0.1');
    const { resolve, asked } = saying([v4('127.0.0.2')], [v4('127.0.0.1')]);
    const networks = new TargetNetworks(['127.0.0.2'], resolve);
    // The first address is allowed, and nobody listens there.
    expect(await connecting(networks, inside.port, 'rebound.example')).toMatch(/ECONNREFUSED/);
    expect(asked()).toBe(1);
    // Judged again on the next connection.
    expect(await connecting(networks, inside.port, 'rebound.example')).toMatch(/127\.0\.0\.1 \(loopback\)/);
    expect(asked()).toBe(2);
    expect(inside.reached()).toBe(0);
  });

  it('leaves out the addresses of a name that are refused, and takes the others', async () => {
    const server = await aServer('127.0.0.3');
    const { resolve } = saying([v6('::1'), v4('169.254.169.254'), v4('127.0.0.3')]);
    expect(await connecting(new TargetNetworks(['127.0.0.3'], resolve), server.port, 'mixed.example')).toBe(
      '127.0.0.3',
    );
  });

  it('needs an address', async () => {
    const { resolve } = saying([]);
    expect(await connecting(new TargetNetworks([], resolve), 1, 'empty.example')).toMatch(/without addresses/);
  });

  it('is never a socket of this machine', async () => {
    for (const host of ['', undefined as never]) {
      const socket = new TargetNetworks(['127.0.0.0/8']).socket();
      const failed = once(socket, 'error');
      socket.connect('/run/postgresql/.s.PGSQL.5432' as never, host);
      await expect(failed).resolves.toEqual([expect.objectContaining({ network: 'local' })]);
    }
  });
});
