import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { Browser } from '../../../../scripts/demo/browser';
import { ADA, aDatabase, aSignInApp, freePort, type SignInApp } from '../../../../test/support/sign-in-app';
import type { TestDatabase } from '../../../../test/support/postgres';

const UNKNOWN = 'This sign-in is not known any more.';

describe('the pages of a sign-in that the provider does not know any more', () => {
  let test: TestDatabase;
  let app: SignInApp;
  const key = new Secret(Buffer.alloc(32, 7));
  beforeAll(async () => {
    test = await aDatabase();
    app = await aSignInApp({ test, key, port: await freePort() });
  });
  afterAll(async () => {
    await app.stop();
    await test.drop();
  });

  const begin = async (): Promise<string> =>
    String((await app.post('/v1/sign-ins', {})).body['verificationUriComplete']);
  const send = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
    const type = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
    const init = { method, headers: { accept: 'text/html', ...type, ...headers }, ...(body !== undefined && { body }) };
    const reply = await fetch(`${app.url}${path}`, init);
    return { status: reply.status, html: await reply.text() };
  };

  it.each([
    ['no body', undefined],
    ['an empty body', ''],
    ['NUL', 'user_code=%00'],
    ['a code', 'user_code=ABCD-EFGH&confirm=yes&xsrf=guessed'],
    ['members twice', 'user_code=1&user_code=2&xsrf=1&xsrf=2'],
    ['too much', `user_code=${'x'.repeat(100_000)}`],
  ])('say so to whoever sends %s without having opened one, whatever cookie they bring', async (_, body) => {
    const browser = new Browser();
    await browser.open(await begin());
    const name = [...browser.cookies.values()].find((cookie) => cookie.name.endsWith('_session'))?.name;
    expect(name).toBeDefined();
    for (const headers of [{}, { cookie: `${name}=guessed; ${name}.sig=guessed` }, { accept: '*/*' }] as const)
      expect(await send('POST', '/oidc/device', body, headers)).toMatchObject({
        status: 400,
        html: expect.stringContaining(UNKNOWN),
      });
    expect(app.logged.join('\n')).not.toContain('TypeError');
  });

  it.each(['GET', 'POST'])('say so to whoever comes back with %s to a sign-in that was never begun', async (method) => {
    for (const path of ['/oidc/device/unknown', '/oidc/sign-in/unknown'])
      expect((await send(method, path)).status).toBe(400);
    expect(app.logged.join('\n')).not.toContain('TypeError');
  });

  it('say so to somebody who presses the button after a restart; opened again, the address has lost its code', async () => {
    const browser = new Browser();
    const address = await begin();
    const confirm = await browser.open(address);
    const port = Number(new URL(app.url).port);
    await app.stop();
    app = await aSignInApp({ test, key, port });
    const late = await browser.submit(confirm, {}, 'confirm');
    expect(late).toMatchObject({ status: 400, html: expect.stringContaining(UNKNOWN) });
    const again = await browser.submit(await browser.open(address), {}, 'confirm');
    expect(again.html).toContain('This code is not known');
    expect(app.logged.join('\n')).not.toContain('TypeError');
  });

  it('say so to somebody who goes back and presses the button again when they are signed in', async () => {
    const browser = new Browser();
    const confirm = await browser.open(await begin());
    const done = await browser.submit(await browser.submit(confirm, {}, 'confirm'), ADA);
    expect(done.html).toContain('You are signed in');
    const again = await browser.submit(confirm, {}, 'confirm');
    expect(again).toMatchObject({ status: 400, html: expect.stringContaining(UNKNOWN) });
  });
});
