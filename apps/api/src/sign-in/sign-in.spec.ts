import { Controller, Get } from '@nestjs/common';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Secret } from '@app/kernel';
import { Public, SignedIn } from '@app/platform/http';
import { Browser, signInWith } from '../../../../scripts/demo/browser';
import { aDatabase, type TestDatabase } from '../../../../test/support/postgres';
import { ADA, aSignInApp, BEN, freePort, type Answer, type SignInApp } from '../../../../test/support/sign-in-app';

@Controller('test')
class TestController {
  @Get('open')
  @Public()
  open() {
    return { open: true };
  }

  @Get('closed')
  @SignedIn()
  closed() {
    return { closed: true };
  }
}

@Controller('test')
class SilentController {
  @Get('silent')
  silent() {
    return {};
  }
}

describe('signing in at the embedded provider', () => {
  let test: TestDatabase;
  let app: SignInApp;
  let owner: pg.Client;
  const key = new Secret(Buffer.alloc(32, 7));
  const printed: unknown[][] = [];
  beforeAll(async () => {
    for (const level of ['log', 'info', 'warn', 'error'] as const)
      vi.spyOn(console, level).mockImplementation((...words: unknown[]) => void printed.push(words));
    test = await aDatabase();
    owner = new pg.Client({ connectionString: test.urls.owner });
    await owner.connect();
    app = await aSignInApp({ test, key, controllers: [TestController] });
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await app.stop();
    await owner.end();
    await test.drop();
  });

  const text = (answer: Answer, key: string): string => String(answer.body[key]);
  const begin = (body: unknown = {}) => app.post('/v1/sign-ins', body);
  const collect = async (begun: Answer) => {
    await owner.query(`SELECT set_config('curfew.actor', 't', false), set_config('curfew.correlation', 't', false)`);
    await owner.query('UPDATE sign_ins SET next_poll_at = clock_timestamp() WHERE id = $1', [begun.body['id']]);
    return app.post(`/v1/sign-ins/${text(begun, 'id')}/tokens`, { handle: begun.body['handle'] });
  };
  const signIn = async (person: { account: string; password: string }, browser = new Browser()): Promise<Answer> => {
    const begun = await begin();
    const page = await signInWith(browser, text(begun, 'verificationUriComplete'), person);
    expect(page.html).toContain('You are signed in');
    return collect(begun);
  };

  it('goes from the code to the tokens to oneself, and out again', async () => {
    const begun = await begin();
    expect(begun).toMatchObject({ status: 201, body: { intervalSeconds: 5, expiresInSeconds: 600 } });
    expect(begun.body['verificationUri']).toBe(`${app.url}/oidc/device`);
    const waiting = await collect(begun);
    expect(waiting).toMatchObject({ status: 202, body: { state: 'pending', retryAfterSeconds: 5 } });
    expect(waiting.headers.get('retry-after')).toBe('5');

    await signInWith(new Browser(), text(begun, 'verificationUriComplete'), ADA);
    const collected = await collect(begun);
    expect(collected).toMatchObject({ status: 200, body: { tokenType: 'Bearer', accessExpiresInSeconds: 600 } });
    expect(collected.headers.get('cache-control')).toBe('no-store');

    const me = await app.call('GET', '/v1/me', text(collected, 'accessToken'));
    expect(me).toMatchObject({
      status: 200,
      body: {
        kind: 'human',
        connection: 'embedded',
        subject: 'ada',
        name: 'Ada',
        email: 'ada@example.com',
        groups: ['engineers'],
        signIn: { id: begun.body['id'], endsAt: collected.body['signInEndsAt'] },
      },
    });
    const refreshed = await app.post('/v1/tokens', { refreshToken: collected.body['refreshToken'] });
    expect(refreshed.status).toBe(200);
    expect((await app.call('DELETE', '/v1/sign-ins/current', text(refreshed, 'accessToken'))).status).toBe(204);
    expect((await app.call('GET', '/v1/me', text(refreshed, 'accessToken'))).status).toBe(401);
    expect((await app.post('/v1/tokens', { refreshToken: refreshed.body['refreshToken'] })).status).toBe(401);
  });

  it('keeps addresses and what was done in the record, and no token in the log', async () => {
    const collected = await signIn(ADA);
    await app.post('/v1/tokens', { refreshToken: collected.body['refreshToken'] });
    await app.post('/v1/tokens', { refreshToken: collected.body['refreshToken'] });
    const { rows } = await owner.query(
      `SELECT convert_from(canonical, 'UTF8')::jsonb AS event FROM audit_events ORDER BY id DESC LIMIT 1`,
    );
    expect(rows[0].event).toMatchObject({ to: 'ended', endReason: 'token_reused', channel: 'api' });
    expect(rows[0].event.address).toMatch(/^[0-9a-f]{64}$/);
    const log = app.logged.join('\n');
    expect(log).toContain('identity.refresh_token_refused');
    for (const key of ['accessToken', 'refreshToken']) expect(log).not.toContain(text(collected, key));
  });

  it('lets two people sign in in one browser, one after the other', async () => {
    const browser = new Browser();
    for (const person of [ADA, BEN, ADA]) {
      const tokens = await signIn(person, browser);
      const me = await app.call('GET', '/v1/me', text(tokens, 'accessToken'));
      expect(me.body['subject']).toBe(person.account);
    }
  });

  it('says clearly that a password is wrong, as slowly for nobody as for somebody, and lets one try again', async () => {
    const begun = await begin();
    const browser = new Browser();
    const confirm = await browser.open(text(begun, 'verificationUriComplete'));
    const signInPage = await browser.submit(confirm, {}, 'confirm');
    const milliseconds = async (account: string) => {
      const startedAt = performance.now();
      const page = await browser.submit(signInPage, { account, password: 'wrong' });
      expect(page.status).toBe(403);
      expect(page.html).toMatch(/role="alert">\s*Account or password is wrong/);
      return performance.now() - startedAt;
    };
    const times = [await milliseconds('ada'), await milliseconds('nobody'), await milliseconds('__proto__')];
    for (const time of times) expect(time).toBeGreaterThan(20);
    expect((await collect(begun)).status).toBe(202);
    const again = await browser.submit(signInPage, { account: ` ${ADA.account} `, password: ADA.password });
    expect(again.html).toContain('You are signed in');
    expect((await collect(begun)).status).toBe(200);
  });

  it('stops when the person says that the code is not theirs', async () => {
    const begun = await begin();
    const browser = new Browser();
    const page = await browser.submit(await browser.open(text(begun, 'verificationUriComplete')), {}, 'abort');
    expect(page.html).toContain('The sign-in was stopped');
    expect(await collect(begun)).toMatchObject({ status: 403, body: { code: 'identity.sign_in_refused' } });
  });

  it('takes a code that is typed in, in small letters and without the dash, and no other', async () => {
    const begun = await begin();
    const browser = new Browser();
    const empty = await browser.open(text(begun, 'verificationUri'));
    const wrong = await browser.submit(empty, { user_code: 'XXXX-XXXX' });
    expect(wrong.html).toContain('This code is not known');
    const confirm = await browser.submit(wrong, { user_code: text(begun, 'userCode').toLowerCase().replace('-', '') });
    expect(confirm.html).toContain(text(begun, 'userCode'));
    const done = await browser.submit(await browser.submit(confirm, {}, 'confirm'), BEN);
    expect(done.html).toContain('Hello, Ben');
    const used = await browser.submit(await browser.open(text(begun, 'verificationUri')), {
      user_code: text(begun, 'userCode'),
    });
    expect(used.html).toContain('has been used');
    expect((await collect(begun)).status).toBe(200);
  });

  it('does not confirm a code for somebody who never saw the page', async () => {
    const begun = await begin();
    const forged = new Browser();
    await forged.open(text(begun, 'verificationUri'));
    const page = await forged.submit(
      {
        url: `${app.url}/oidc/device`,
        status: 200,
        headers: new Headers(),
        html: '<form action="/oidc/device"></form>',
      },
      { user_code: text(begun, 'userCode'), confirm: 'yes', xsrf: 'guessed' },
    );
    expect(page.html).not.toContain('Password');
    expect((await collect(begun)).status).toBe(202);
  });

  it('serves pages without scripts, frames or foreign content, and shows text as text', async () => {
    const begun = await begin();
    const browser = new Browser();
    const confirm = await browser.open(text(begun, 'verificationUriComplete'));
    const signInPage = await browser.submit(confirm, {}, 'confirm');
    const wrong = await browser.submit(signInPage, { account: '"><script>alert(1)</script>', password: 'x' });
    for (const page of [confirm, signInPage, wrong]) {
      const policy = page.headers.get('content-security-policy') ?? '';
      expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/);
      expect(policy).toContain(`frame-ancestors 'none'`);
      expect(page.html).not.toMatch(/<script|\son[a-z]+=|style="/i);
      expect(page.html).toMatch(/<html lang="en">/);
      expect(page.headers.get('cache-control')).toContain('no-store');
    }
    expect(wrong.html).toContain('&#34;&#62;&#60;script');
    const script = await browser.open(`${app.url}/oidc/device?user_code=%22%3E%3Cscript%3E`);
    expect(script.html).not.toContain('<script');
  });

  it('gives its cookies a name of this installation, its own path and no reach for scripts', async () => {
    const browser = new Browser();
    await browser.submit(await browser.open(text(await begin(), 'verificationUriComplete')), {}, 'confirm');
    const { rows } = await owner.query<{ id: string }>('SELECT id FROM installation');
    const cookies = [...browser.cookies.values()];
    expect(cookies.length).toBeGreaterThan(2);
    for (const cookie of cookies) {
      expect(cookie.name).toMatch(new RegExp(`^curfew_${rows[0]!.id.slice(0, 8)}_(session|sign_in|resume)(\\.sig)?$`));
      expect(cookie.path).toMatch(/^\/oidc(\/|$)/);
      expect(cookie.attributes).toContain('httponly');
      expect(cookie.attributes).toContain('samesite');
    }
  });

  it('refuses unknown keys, wrong ids and wrong types, and answers nothing with 500', async () => {
    const id = crypto.randomUUID();
    const handle = 'h'.repeat(43);
    const refused: [string, unknown, number][] = [
      ['/v1/sign-ins', { extra: 1 }, 400],
      ['/v1/sign-ins', { maxAgeSeconds: -1 }, 400],
      ['/v1/sign-ins', { maxAgeSeconds: 1.5 }, 400],
      ['/v1/sign-ins', [], 400],
      ['/v1/sign-ins', null, 400],
      [`/v1/sign-ins/${id}/tokens`, { handle }, 404],
      [`/v1/sign-ins/${id}/tokens`, { handle, extra: 1 }, 400],
      [`/v1/sign-ins/${id}/tokens`, { handle: 'short' }, 400],
      [`/v1/sign-ins/${id}/tokens`, { handle: { $ne: '' } }, 400],
      ['/v1/sign-ins/not-an-id/tokens', { handle }, 400],
      ['/v1/tokens', { refreshToken: handle }, 401],
      ['/v1/tokens', { refreshToken: handle, extra: 1 }, 400],
      ['/v1/tokens', {}, 400],
      ['/v1/tokens', 'text', 400],
    ];
    for (const [path, body, status] of refused) {
      const answer = await app.post(path, body);
      expect(answer.status, `${path} ${JSON.stringify(body)}`).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
    expect((await app.call('POST', '/v1/tokens')).status).toBe(400);
  });

  describe('the guard', () => {
    it('lets everybody through where the route says so, and only those with a token elsewhere', async () => {
      expect((await app.call('GET', '/test/open')).status).toBe(200);
      expect((await app.call('GET', '/test/open', 'nonsense')).status).toBe(200);
      for (const token of [undefined, 'nonsense', 'a.b.c', '', ' ', 'x'.repeat(5_000)]) {
        const answer = await app.call('GET', '/test/closed', token);
        expect(answer.status).toBe(401);
        expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
      }
      const tokens = await signIn(ADA);
      expect((await app.call('GET', '/test/closed', text(tokens, 'accessToken'))).status).toBe(200);
      expect((await app.call('GET', '/test/closed', text(tokens, 'refreshToken'))).status).toBe(401);
    });

    it('takes a token from the header alone, and only as a bearer', async () => {
      const token = text(await signIn(ADA), 'accessToken');
      expect((await app.call('GET', `/test/closed?access_token=${token}`)).status).toBe(401);
      for (const authorization of [token, `Basic ${token}`, `Bearer  ${token}`, `Bearer ${token}, Bearer ${token}`]) {
        const response = await fetch(`${app.url}/test/closed`, { headers: { authorization } });
        expect(response.status, authorization.slice(0, 10)).toBe(401);
      }
    });

    it('stops a token whose time is over, by the one clock', async () => {
      const token = text(await signIn(ADA), 'accessToken');
      app.clock.offsetMs = 700_000;
      expect((await app.call('GET', '/test/closed', token)).status).toBe(401);
      app.clock.offsetMs = 0;
      expect((await app.call('GET', '/test/closed', token)).status).toBe(200);
    });

    it('does not let a process start that has a route without a rule', async () => {
      await expect(aSignInApp({ test, key, controllers: [TestController, SilentController] })).rejects.toThrow(
        'SilentController.silent',
      );
    });
  });

  it('goes on after a restart: tokens stay good, and a sign-in that was under way ends clearly', async () => {
    const other = await aDatabase();
    const port = await freePort();
    const before = await aSignInApp({ test: other, key, port });
    const browser = new Browser();
    const begun = await before.post('/v1/sign-ins', {});
    await signInWith(browser, text(begun, 'verificationUriComplete'), ADA);
    const atOnce = new pg.Client({ connectionString: other.urls.owner });
    await atOnce.connect();
    const due = () => atOnce.query('UPDATE sign_ins SET next_poll_at = clock_timestamp()');
    await due();
    const tokens = await before.post(`/v1/sign-ins/${text(begun, 'id')}/tokens`, { handle: begun.body['handle'] });
    const underWay = await before.post('/v1/sign-ins', {});
    await before.stop();

    const after = await aSignInApp({ test: other, key, port });
    expect((await after.call('GET', '/v1/me', text(tokens, 'accessToken'))).status).toBe(200);
    const page = await browser.open(text(underWay, 'verificationUriComplete'));
    expect((await browser.submit(page, {}, 'confirm')).html).toContain('This code is not known');
    await due();
    expect(
      await after.post(`/v1/sign-ins/${text(underWay, 'id')}/tokens`, { handle: underWay.body['handle'] }),
    ).toMatchObject({ status: 409, body: { code: 'identity.sign_in_lapsed' } });
    const again = await after.post('/v1/sign-ins', {});
    expect((await signInWith(browser, text(again, 'verificationUriComplete'), ADA)).html).toContain(
      'You are signed in',
    );
    await after.stop();
    await atOnce.end();
    await other.drop();
  });

  it('prints nothing: no warning of a library about its development defaults', () => {
    expect(printed).toEqual([]);
    expect(app.logged.filter((line) => line.includes('"level":50'))).toEqual([]);
  });
});
