import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabaseSession, tryToLogIn } from '../../scripts/demo/database-session';
import { waitFor } from '../../scripts/waiting';
import { sampled } from '../support/kills';
import { FAKE_TIME, has, needs } from '../support/needs';
import { CLIENT, ForgingIssuer } from '../support/open-id-issuer';
import { Trial, type Another, type AskedFor, type Name } from '../support/trial';

const HOUR_MS = 3_600_000;
/** DESIGN's promise 4, and what this machine takes with everything else on it. */
const LATE_MS = 1_000;
const PATIENCE_MS = 20_000;

const OFF = sampled(
  [
    { who: 'timekeeper', by: '+1h', words: 'an hour ahead' },
    { who: 'timekeeper', by: '-1h', words: 'an hour behind' },
    { who: 'worker', by: '+1h', words: 'an hour ahead' },
    { who: 'worker', by: '-1h', words: 'an hour behind' },
  ] as const,
  1,
);
const API_OFF = sampled(
  [
    { by: '+1h', words: 'an hour ahead' },
    { by: '-1h', words: 'an hour behind' },
  ] as const,
  1,
);

/**
 * The host's clock is wrong for one process. What is judged by other clocks than Curfew's is not tried here: a certificate's dates
 * (TLS looks at the host's clock) and what an identity provider writes into its tokens; this one's clock is right.
 */
describe.runIf(has('faketime'))(`clocks that are wrong${needs('faketime')}`, () => {
  let trial: Trial;
  let issuer: ForgingIssuer;
  const asleep = new Set<number>();
  const begun: Another[] = [];
  beforeAll(async () => {
    issuer = await new ForgingIssuer().start();
    issuer.device = { interval: 1 };
    trial = await Trial.begin(['ada', 'ben']);
  });
  afterAll(async () => {
    await trial?.end();
    await issuer?.server.stop();
  });

  /** Another process with a wrong clock, shown to be wrong by what it says in its answers. */
  const off = async (name: 'api' | 'worker' | 'timekeeper', by: string, more: NodeJS.ProcessEnv = {}) => {
    const clock = { LD_PRELOAD: FAKE_TIME, FAKETIME: by, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const another = await trial.anotherOf(name, { ...clock, ...more });
    begun.push(another);
    const date = (await fetch(`${another.address}/healthz`)).headers.get('date') ?? '';
    const wrongMs = Date.parse(date) - Date.now();
    expect(Math.abs(wrongMs - (by.startsWith('+') ? HOUR_MS : -HOUR_MS))).toBeLessThan(60_000);
    return another;
  };
  const restore = async () => {
    for (const { pid, ended } of begun.splice(0)) {
      process.kill(pid, 'SIGKILL');
      await ended;
    }
    for (const pid of asleep) process.kill(pid, 'SIGCONT');
    asleep.clear();
  };
  /** The one whose clock is right does nothing meanwhile. */
  const alone = (name: 'worker' | 'timekeeper') => {
    const pid = trial.service.pid(name);
    process.kill(pid, 'SIGSTOP');
    asleep.add(pid);
  };

  it.each([...OFF.chosen])(
    `of a $who, $words: it begins what is to begin, and each ends at its deadline (${OFF.words})`,
    async ({ who, by }) => {
      try {
        await off(who, by);
        alone(who);
        const [short, long] = await Promise.all([trial.use(5), trial.use(600)]);
        const { lateMs } = await trial.reach(short.id, 'ended');
        expect(lateMs).toBeGreaterThanOrEqual(0);
        expect(lateMs).toBeLessThan(LATE_MS);
        await short.session.cut;
        expect((await trial.look(long.id)).state).toBe('active');
        expect(await tryToLogIn(long.login)).toBe('logged in');
        expect(await trial.broken()).toEqual([]);
        await trial.insist('ada', `/v1/grants/${long.id}/release`);
        await trial.reach(long.id, 'ended');
        expect(await trial.broken()).toEqual([]);
      } finally {
        await restore();
      }
    },
    90_000,
  );

  it.each([...API_OFF.chosen])(
    `of an api, $words: people sign in, its tokens are good and so are those of others (${API_OFF.words})`,
    async ({ by }) => {
      try {
        const { address } = await off('api', by, {
          OIDC_ISSUER: issuer.server.url,
          OIDC_CLIENT_ID: CLIENT.id,
          OIDC_CLIENT_SECRET: CLIENT.secret,
          // The same people as at the embedded provider.
          OIDC_CONNECTION: 'embedded',
        });
        const ada = await signIn(address, issuer, 'ada');
        const ben = await signIn(address, issuer, 'ben');
        // What one made, the other takes; each in its own time would have it long over, or not begun.
        for (const [token, at] of [
          [ada.accessToken, address],
          [ada.accessToken, trial.service.url],
          [trial.service.accessToken('ada'), address],
        ] as const)
          expect(await send(at, '/v1/me', token).then(({ status }) => status)).toBe(200);
        const again = await post<Tokens>(address, '/v1/tokens', { refreshToken: ada.refreshToken });
        expect(again.status).toBe(200);

        const order = { entitlements: ['orders-db/read'], durationSeconds: 5, reason: 'INC-4711' };
        const asked = await post<AskedFor>(address, '/v1/requests', order, again.body.accessToken);
        expect(asked.status).toBe(201);
        const { id, scopeHash } = asked.body;
        const verdict = { verdict: 'approve', scopeHash };
        const decided = await post<AskedFor>(address, `/v1/requests/${id}/decisions`, verdict, ben.accessToken);
        const grant = decided.body.grants[0]!.id;
        await trial.reach(grant, 'active');
        const handed = await post<{ fields: Record<string, string> }>(
          address,
          `/v1/grants/${grant}/credential`,
          undefined,
          again.body.accessToken,
        );
        expect(handed.status).toBe(200);
        const { host = '', port, database = '', username = '', password = '' } = handed.body.fields;
        const session = await DatabaseSession.open({ host, port: Number(port), database, user: username, password });
        expect((await trial.reach(grant, 'ended')).lateMs).toBeLessThan(LATE_MS);
        await session.cut;
        expect(await trial.broken()).toEqual([]);
      } finally {
        await restore();
      }
    },
    90_000,
  );
});

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

/** The identity provider has seen them, by its own clock. */
async function signIn(address: string, issuer: ForgingIssuer, subject: Name): Promise<Tokens> {
  issuer.says(await issuer.idToken({ sub: subject, name: subject }));
  const { body: begun } = await post<{ id: string; handle: string }>(address, '/v1/sign-ins', {});
  const tokens = await waitFor(
    async () => {
      const { status, body } = await post<Tokens>(address, `/v1/sign-ins/${begun.id}/tokens`, { handle: begun.handle });
      if (status !== 200 && status !== 202) throw new Error(JSON.stringify(body));
      return status === 200 ? body : undefined;
    },
    PATIENCE_MS,
    500,
  );
  if (!tokens) throw new Error(`${subject} did not get to sign in`);
  return tokens;
}

const post = <T>(address: string, path: string, body: unknown, token?: string): Promise<Answer<T>> =>
  send(address, path, token, { method: 'POST', body });

async function send<T>(
  address: string,
  path: string,
  token?: string,
  { method = 'GET', body }: { method?: string; body?: unknown } = {},
): Promise<Answer<T>> {
  const response = await fetch(address + path, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
}
