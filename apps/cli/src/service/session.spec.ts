import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aGrant, GRANT_ID, inSeconds } from '../../../../test/support/cli/builders';
import { buildCli, start, type BuiltCli } from '../../../../test/support/cli/built-cli';
import { Desk } from '../../../../test/support/cli/desk';
import { problem, type Asked } from '../../../../test/support/cli/fake-service';
import { KeptCredentials } from '../state/kept-credentials';

let cli: BuiltCli;
let desk: Desk;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());
beforeEach(async () => {
  desk = await Desk.open();
});
afterEach(() => desk.close());

const ME = {
  id: 'a',
  kind: 'human',
  connection: 'embedded',
  subject: 'ada',
  name: 'Ada',
  email: null,
  groups: [],
  signIn: { signedInAt: '2026-11-21T10:00:00.000Z', endsAt: '2026-11-21T22:00:00.000Z' },
};

/** A service that is strict about refresh tokens, like the real one: each is good once, and a second use ends it all. */
function strictTokens(valid: { access: string; refresh: string }) {
  const used: string[] = [];
  let ended = false;
  desk.service.on('POST /v1/tokens', async ({ body }: Asked) => {
    const { refreshToken } = body as { refreshToken: string };
    used.push(refreshToken);
    if (ended || refreshToken !== valid.refresh) {
      ended = true;
      return problem(401, 'identity.refresh_token_refused', 'the refresh token is not accepted');
    }
    const generation = used.length + 1;
    Object.assign(valid, { access: `access-${generation}`, refresh: `refresh-${generation}` });
    // The answer takes its time: whoever does not wait comes with the old one meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { body: { tokenType: 'Bearer', accessToken: valid.access, refreshToken: valid.refresh } };
  });
  return used;
}

it('two processes whose token ran out at the same moment refresh once, and both go on', async () => {
  desk.signIn('stale', 'refresh-1');
  const valid = { access: 'access-1', refresh: 'refresh-1' };
  const used = strictTokens(valid);
  // Both are told in the same moment that their token is not accepted.
  const refused: (() => void)[] = [];
  desk.service.on('GET /v1/me', async ({ headers }) => {
    if (headers.authorization === `Bearer ${valid.access}` && headers.authorization !== 'Bearer access-1')
      return { body: ME };
    await new Promise<void>((resolve) => {
      refused.push(resolve);
      if (refused.length === 2) for (const release of refused) release();
    });
    return problem(401, 'identity.access_token_refused', 'the access token is not accepted');
  });
  const both = await Promise.all([1, 2].map(() => start(cli, ['whoami', '--json'], desk.variables).ended));
  expect(both.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  expect(used).toEqual(['refresh-1']);
});

it('uses each refresh token once, one after the other', async () => {
  desk.signIn('stale', 'refresh-1');
  const valid = { access: 'access-1', refresh: 'refresh-1' };
  const used = strictTokens(valid);
  // Every token is accepted for one call only.
  const spent = new Set<string | undefined>(['Bearer access-1', 'Bearer stale']);
  desk.service.on('GET /v1/me', ({ headers: { authorization } }) => {
    if (spent.has(authorization) || authorization !== `Bearer ${valid.access}`)
      return problem(401, 'identity.access_token_refused', 'the access token is not accepted');
    spent.add(authorization);
    return { body: ME };
  });
  for (let i = 0; i < 3; i += 1) expect((await start(cli, ['whoami'], desk.variables).ended).code).toBe(0);
  expect(used).toEqual(['refresh-1', 'refresh-2', 'refresh-3']);
});

it('finishes a refresh that has begun when Ctrl-C comes, so that the next command is still signed in', async () => {
  desk.signIn('stale', 'refresh-1');
  const valid = { access: 'access-1', refresh: 'refresh-1' };
  const used = strictTokens(valid);
  const running: { child?: { kill(signal: NodeJS.Signals): boolean } } = {};
  const tokens = desk.service.routes.get('POST /v1/tokens');
  desk.service.on('POST /v1/tokens', (asked) => {
    running.child?.kill('SIGINT');
    return tokens?.(asked) ?? 'hang up';
  });
  desk.service.on('GET /v1/me', ({ headers }) =>
    headers.authorization === 'Bearer access-2' ? { body: ME } : problem(401, 'identity.access_token_refused', 'no'),
  );
  const interrupted = start(cli, ['whoami'], desk.variables);
  running.child = interrupted.child;
  expect((await interrupted.ended).code).toBe(130);
  expect((await start(cli, ['whoami'], desk.variables).ended).code).toBe(0);
  expect(used).toEqual(['refresh-1']);
});

it('says that the sign-in has ended, and forgets it', async () => {
  desk.signIn('stale', 'old');
  desk.service
    .on('GET /v1/me', problem(401, 'identity.access_token_refused', 'no'))
    .on('POST /v1/tokens', problem(401, 'identity.refresh_token_refused', 'no'));
  const first = await start(cli, ['whoami', '--profile', 'default'], desk.variables).ended;
  expect({ code: first.code, says: first.stderr.includes('your sign-in has ended') }).toEqual({ code: 3, says: true });
  expect((await start(cli, ['whoami'], desk.variables).ended).stderr).toContain('you are not signed in');
});

it('never shows a token to another service', async () => {
  desk.signIn();
  const other = await Desk.open();
  try {
    const { code } = await start(cli, ['whoami', '--url', other.service.url], desk.variables).ended;
    expect({ code, asked: other.service.asked }).toEqual({ code: 3, asked: [] });
  } finally {
    await other.close();
  }
});

const BEGUN = {
  status: 201,
  body: {
    id: 's',
    handle: 'h',
    userCode: 'AAAA-BBBB',
    verificationUri: 'http://127.0.0.1/device',
    intervalSeconds: 1,
    expiresInSeconds: 30,
  },
};

it('signs in, waits as long as it is told to, and keeps what it gets', async () => {
  let polls = 0;
  desk.service
    .on('POST /v1/sign-ins', BEGUN)
    .on('POST /v1/sign-ins/s/tokens', ({ body }) => {
      polls += 1;
      expect(body).toEqual({ handle: 'h' });
      return polls === 1
        ? { status: 202, body: { state: 'pending', retryAfterSeconds: 1 } }
        : { body: { accessToken: 'access-1', refreshToken: 'r' } };
    })
    .on('GET /v1/me', ({ headers }) =>
      headers.authorization === 'Bearer access-1' ? { body: ME } : problem(401, 'x.y', 'no'),
    );
  const { code, stdout, stderr } = await start(cli, ['login', '--json'], desk.variables).ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ name: 'Ada' });
  expect(stderr).toContain('AAAA-BBBB');
  expect(stdout + stderr).not.toContain('access-1');
});

describe('signing in where somebody is signed in already', () => {
  const keep = () =>
    new KeptCredentials(desk.profile).reserve(GRANT_ID).keep({
      fields: {},
      environment: {},
      endsAt: inSeconds(600),
      entitlement: 'orders-db/read',
      version: 1,
      aheadMs: 0,
    });
  const kept = () => new KeptCredentials(desk.profile).ids();
  const callers = (route: string) => desk.service.of(route).map(({ headers }) => headers.authorization);

  beforeEach(() => {
    desk.signIn('former', 'refresh-of-former');
    keep();
    desk.service
      .on('POST /v1/sign-ins', BEGUN)
      .on('POST /v1/sign-ins/s/tokens', { body: { accessToken: 'new', refreshToken: 'r' } })
      .on('DELETE /v1/sign-ins/current', { status: 204 })
      // Whoever signs in may see the grants of others, and is told that they live.
      .on('GET /v1/grants/*', { body: aGrant() })
      .on('GET /v1/me', { body: ME });
  });

  it.each([[[]], [['--json']]])(
    'leaves the former one as it is when Ctrl-C ends the waiting, and says so (%j)',
    async (more) => {
      const interruption = new AbortController();
      desk.service.on('POST /v1/sign-ins/s/tokens', () => {
        setImmediate(() => interruption.abort());
        return { status: 202, body: { state: 'pending', retryAfterSeconds: 60 } };
      });
      const { code, stdout, stderr } = await desk.run(['login', ...more], { signal: interruption.signal });
      expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
      expect(stderr).toMatch(/Nobody was signed in; who was before still is\.\n$/);
      expect(callers('DELETE /v1/sign-ins/current')).toEqual([]);
      expect(kept()).not.toEqual([]);
    },
  );

  it('ends the former sign-in at the service, with its own token, and forgets what was kept under it', async () => {
    expect((await desk.run(['login'])).code).toBe(0);
    expect(callers('DELETE /v1/sign-ins/current')).toEqual(['Bearer former']);
    expect(callers('GET /v1/me')).toEqual(['Bearer new']);
    expect(kept()).toEqual([]);
  });

  it.each([
    ['does not know the former one any more', problem(401, 'identity.access_token_refused', 'no')],
    ['does not say', problem(503, 'http.unavailable', 'later')],
  ])('signs in all the same when the service %s', async (_, answer) => {
    desk.service
      .on('DELETE /v1/sign-ins/current', answer)
      .on('POST /v1/tokens', problem(401, 'identity.refresh_token_refused', 'no'));
    expect((await desk.run(['login'])).code).toBe(0);
    expect(callers('GET /v1/me')).toEqual(['Bearer new']);
    expect(kept()).toEqual([]);
  });

  it('leaves everything as it was when nobody signs in', async () => {
    desk.service.on('POST /v1/sign-ins/s/tokens', problem(409, 'identity.sign_in_refused', 'refused'));
    expect((await desk.run(['login'])).code).not.toBe(0);
    expect(callers('DELETE /v1/sign-ins/current')).toEqual([]);
    expect(kept()).toEqual([GRANT_ID]);
    await desk.run(['whoami']);
    expect(callers('GET /v1/me')).toEqual(['Bearer former']);
  });
});
