import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LoopbackServer } from '../../../../test/support/open-id-issuer';
import { isTrustworthy, providerFetch } from './provider-fetch';

describe('fetching from a provider', () => {
  const server = new LoopbackServer();
  beforeAll(() => server.start());
  afterAll(() => server.stop());

  it('trusts TLS and this very machine', () => {
    const trusted = [
      'https://id.example',
      'http://localhost:1',
      'http://127.0.0.1',
      'http://127.8.8.8',
      'http://[::1]:2',
    ];
    const others = [
      'http://id.example',
      'http://127.0.0.1.id.example',
      'http://localhost.id.example',
      'file:///x',
      'ftp://localhost',
    ];
    expect(trusted.map((url) => isTrustworthy(new URL(url)))).toEqual(trusted.map(() => true));
    expect(others.map((url) => isTrustworthy(new URL(url)))).toEqual(others.map(() => false));
  });

  it('sends nothing in clear text over a network', async () => {
    await expect(providerFetch('http://id.example/token', { method: 'POST' })).rejects.toThrow('by TLS only');
  });

  it('gives the answer, and no more than 1 MiB of it', async () => {
    server.handler = (request, response) => response.writeHead(203).end('x'.repeat(Number(request.url?.slice(1))));
    const answer = await providerFetch(`${server.url}/1048576`, {});
    expect([answer.status, (await answer.text()).length]).toEqual([203, 1_048_576]);
    await expect(providerFetch(`${server.url}/1048577`, {})).rejects.toThrow('too long');
  });
});

describe('fetching what never ends', () => {
  it('stops after 5 s, also when the answer has begun', async () => {
    const server = new LoopbackServer();
    await server.start();
    server.handler = (_request, response) => void response.writeHead(200).write('the beginning');
    const startedAt = performance.now();
    await expect(providerFetch(server.url, {})).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    await server.stop();
  });
});
