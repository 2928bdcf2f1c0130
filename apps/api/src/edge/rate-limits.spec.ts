import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anApiApp, type ApiApp } from '../../../../test/support/api-app';

const JSON_BODY = { 'content-type': 'application/json' };

describe('limits', () => {
  let api: ApiApp;
  beforeAll(async () => {
    api = await anApiApp({ SIGN_INS_PER_MINUTE: '2', PICK_UPS_PER_MINUTE: '3', TRUSTED_PROXIES: '127.0.0.1' });
  });
  afterAll(() => api?.close());

  const from = (address: string) => ({ ...JSON_BODY, 'x-forwarded-for': address });
  const times = async (count: number, act: () => Promise<{ status: number }>) => {
    const statuses: number[] = [];
    for (let n = 0; n < count; n += 1) statuses.push((await act()).status);
    return statuses;
  };

  it('lets an address begin only so many sign-ins in a minute, and says when to try again', async () => {
    const begin = (address: string) =>
      api.send({ method: 'POST', path: '/v1/sign-ins', headers: from(address), body: '{}' });
    // Its provider is nowhere: it is tried, and counts.
    expect(await times(2, () => begin('203.0.113.1'))).toEqual([503, 503]);
    const refused = await begin('203.0.113.1');
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'http.too_many_requests' });
    const seconds = Number(refused.headers['retry-after']);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    expect((await begin('203.0.113.2')).status).toBe(503);
  });

  it('takes a /64 of IPv6 for one address, and all that a proxy does not name for one', async () => {
    const begin = (address: string) =>
      api.send({ method: 'POST', path: '/v1/sign-ins', headers: from(address), body: '{}' });
    await times(2, () => begin('2001:db8:1:2::1'));
    expect((await begin('2001:db8:1:2:ffff::9')).status).toBe(429);
    expect((await begin('2001:db8:1:3::1')).status).toBe(503);
    await times(2, () => begin('nonsense'));
    expect((await begin('other nonsense')).status).toBe(429);
  });

  it.each([
    ['tokens', '/v1/tokens', { refreshToken: 'A'.repeat(43) }, '203.0.113.3', 401],
    ['handles of a sign-in', `/v1/sign-ins/${randomUUID()}/tokens`, { handle: 'A'.repeat(43) }, '203.0.113.6', 404],
  ])('lets an address try only so many %s', async (_, path, body, address, answer) => {
    const attempt = () => api.send({ method: 'POST', path, headers: from(address), body: JSON.stringify(body) });
    const statuses = await times(41, attempt);
    expect(new Set(statuses.slice(0, 40))).toEqual(new Set([answer]));
    expect(statuses[40]).toBe(429);
  });

  it('lets a person try only so many pick-ups, wherever they are, and nobody else less', async () => {
    const [ada, ben] = await Promise.all([api.tokenOf('ada'), api.tokenOf('ben')]);
    const pickUp = (token: string, address: string) =>
      api.send({
        method: 'POST',
        path: `/v1/grants/${randomUUID()}/credential`,
        headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': address },
      });
    expect(await times(3, () => pickUp(ada, '203.0.113.4'))).toEqual([404, 404, 404]);
    expect((await pickUp(ada, '203.0.113.5')).status).toBe(429);
    expect((await pickUp(ben, '203.0.113.4')).status).toBe(404);
  });

  it('does not count what is not limited', async () => {
    const ada = await api.tokenOf('ada');
    const look = () => api.send({ method: 'GET', path: '/v1/me', headers: { authorization: `Bearer ${ada}` } });
    expect(new Set(await times(60, look))).toEqual(new Set([200]));
  });
});
