import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS, paths, type Clone } from '../../scripts/clone';
import { tellStory } from '../../scripts/demo/story';
import type { Outcome, Person } from '../../scripts/demo/person';
import { stopServer } from '../../scripts/embedded-postgres';
import { signal } from '../../scripts/processes';
import { readRun } from '../../scripts/run-file';
import { Terminal } from '../../scripts/terminal';
import { waitFor } from '../../scripts/waiting';
import { allGone } from '../support/fake-clone';
import { everyKey, everyRow } from '../support/everything';
import { broken, type Asked } from '../support/oracle';
import { aRedis, type RedisServer } from '../support/redis';
import { RunningService } from '../support/service';

interface Request {
  readonly id: string;
  readonly state: string;
  readonly grants: readonly { readonly id: string }[];
}

interface Life {
  readonly state: string;
  readonly endReason: string | null;
  readonly endsAt: string;
  readonly endedAt: string | null;
  readonly endingAt: string | null;
}

/** The problem that a command ended with; it stands last, after what the command had to say before. */
const codeOf = ({ said }: Outcome): unknown =>
  (JSON.parse(said.slice(said.indexOf('\n{') + 1)) as { code: unknown }).code;

/** The access token of whoever signed in under this profile. */
function tokenIn(state: string, profile: string): string {
  const files = readdirSync(state, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = files
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path.includes(profile))
    .map((path) => readFileSync(path, 'utf8'));
  return texts.flatMap((text) => /[\w-]+\.[\w-]+\.[\w-]{40,}/.exec(text)?.[0] ?? [])[0] ?? '';
}

/** What a process was told by its environment, and nobody else. */
function databasePasswordOf(pid: number): string {
  return /DATABASE_URL=[^@]*:([^@]+)@/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1] ?? '';
}

/** How every process of this machine was called: anybody on it can see that. */
function everyCommandLine(): string {
  const read = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return ''; // it has ended
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(read)
    .join('\n');
}

describe.each(['PostgreSQL', 'Redis'])('the path, with the queue on %s', (backend) => {
  let redis: RedisServer | undefined;
  let service: RunningService;
  let ada: Person;
  let ben: Person;
  let cleo: Person;
  let root: Person;

  beforeAll(async () => {
    redis = backend === 'Redis' ? await aRedis() : undefined;
    service = await RunningService.start(redis ? { REDIS_URL: redis.url } : {});
    [ada, ben, cleo, root] = await Promise.all([
      service.person('ada'),
      service.person('ben'),
      service.person('cleo'),
      service.person('root'),
    ]);
  });
  afterAll(async () => {
    await service?.stop();
    await redis?.stop();
  });

  const ask = (duration: string, ...more: string[]) =>
    ada.run<Request>('request', 'orders-db/read', '--for', duration, '--reason', 'INC-4711', '--no-wait', ...more);
  const look = (id: string) => ada.run<Life>('show', id);
  const reach = async (id: string, state: string, withinMs = 15_000) => {
    const life = await waitFor(
      async () => {
        const seen = await look(id);
        return seen.state === state ? seen : undefined;
      },
      withinMs,
      100,
    );
    expect(life?.state).toBe(state);
    return life!;
  };
  const begin = async (duration = '10m') => {
    const { id } = await ask(duration);
    const { grants } = await ben.run<Request>('approve', id, '--yes');
    await reach(grants[0]!.id, 'active');
    return grants[0]!.id;
  };

  it('keeps every promise of the demo: ask, decide, use, end, prove', async () => {
    expect(await tellStory({ ada, ben, cleo }, new Terminal({ NO_COLOR: '1' }))).toBe(0);
  }, 90_000);

  it('shows a person what they may ask for, and tells somebody who oversees it that no rule lets them', async () => {
    const mine = await ada.run<{ items: { name: string; entitlements: { name: string }[] }[] }>('targets', 'list');
    expect(mine.items.map(({ name }) => name)).toEqual(['orders-db']);
    const other = await cleo.attempt('request', 'orders-db/read', '--for', '1m', '--reason', 'x', '--no-wait');
    expect([other.code, codeOf(other)]).toEqual([4, 'access.request_refused']);
  });

  it('takes a request back, once', async () => {
    const { id } = await ask('1m');
    expect(await ada.run<Request>('withdraw', id)).toMatchObject({ state: 'withdrawn' });
    const again = await ben.attempt('approve', id, '--yes');
    expect([again.code, codeOf(again)]).toEqual([6, 'cli.already_decided']);
  });

  it('hands the credential over once, and a replacement when the reply was lost', async () => {
    const grant = await begin();
    const first = await ada.run<{ fields: Record<string, string> }>('credential', grant);
    const second = await service.stranger('ada').attempt('credential', grant);
    const replaced = await ada.run<{ fields: Record<string, string> }>('credential', grant, '--replace');
    expect(replaced.fields['username']).toBe(first.fields['username']);
    expect(replaced.fields['password']).not.toBe(first.fields['password']);
    expect(second.code).toBe(6);
    await ada.run('done', grant);
    await reach(grant, 'ended');
  });

  it('puts the credential into a child’s environment only, and ends the child with the grant', async () => {
    const grant = await begin();
    const print = 'process.stdout.write(JSON.stringify([process.env.PGUSER, process.env.PGDATABASE]))';
    const child = await ada.plain('exec', grant, '--', process.execPath, '-e', print);
    expect([child.code, JSON.parse(child.out)]).toEqual([0, [expect.stringContaining(grant), 'orders']]);
    const up = join(service.clone.home, `up-${grant}`);
    const stay = `require('node:fs').writeFileSync(process.argv[1], ''); setInterval(() => undefined, 1000)`;
    const staying = ada.plain('exec', grant, '--', process.execPath, '-e', stay, up);
    expect(await waitFor(() => existsSync(up) || undefined, 10_000)).toBe(true);
    await ben.run('revoke', grant);
    expect((await staying).code).toBe(124);
    expect(await reach(grant, 'ended')).toMatchObject({ endReason: 'revoked' });
    const late = await ada.attempt('done', grant);
    expect([late.code, codeOf(late)]).toEqual([6, 'cli.ended_before']);
    expect((await ben.attempt('revoke', grant)).code).toBe(0);
  }, 60_000);

  it('does not end the child before the deadline, and forgets what another command hears has been revoked', async () => {
    const { id } = await ask('4s');
    const { grants } = await ben.run<Request>('approve', id, '--yes');
    const { endsAt } = await reach(grants[0]!.id, 'active');
    const stay = `process.on('SIGTERM', () => { console.log(Date.now()); process.exit(); }); setInterval(() => 0, 1000)`;
    const { code, out } = await ada.plain('exec', grants[0]!.id, '--', process.execPath, '-e', stay);
    expect([code, Number(out) >= Date.parse(endsAt), Number(out) < Date.parse(endsAt) + 2_000]).toEqual([
      124,
      true,
      true,
    ]);
    const kept = (): string[] =>
      readdirSync(join(service.clone.home, 'state'), { recursive: true, encoding: 'utf8' }).filter((file) =>
        file.endsWith(`${grant}/credential.json`),
      );
    const grant = await begin();
    await ada.run('credential', grant);
    expect(kept()).toHaveLength(1);
    await ben.run('revoke', grant);
    await ada.run('grants');
    expect(kept()).toEqual([]);
  }, 60_000);

  it('does not take the same person twice as somebody else: a second profile is the same identity', async () => {
    const other = await service.person('ada', 'ada-again');
    const { id } = await ask('1m');
    const refused = await other.attempt('approve', id, '--yes');
    expect(codeOf(refused)).toBe('access.self_approval');
    await ada.run('withdraw', id);
  });

  it('checks the demo target and finds nothing that must be mended', async () => {
    expect(await root.run('targets', 'check', 'orders-db')).toMatchObject({ ok: true });
  });

  it('reads the record to those who may, and to nobody else', async () => {
    const { items } = await cleo.run<{ items: unknown[] }>('audit', 'list', '--limit', '5');
    expect(items).toHaveLength(5);
    expect((await ada.attempt('audit', 'list')).code).toBe(4);
  });

  it('says what is wrong, and where the numbers are', async () => {
    const ready = await (await fetch(`${service.url}/readyz`)).json();
    expect(ready).toMatchObject({ status: 'ready', checks: { database: { ok: true }, policies: { ok: true } } });
    const numbers = await (await fetch(`${service.address('worker')}/metrics`)).text();
    for (const name of ['curfew_grants{', 'curfew_leftovers{', 'curfew_overdue_seconds{', 'curfew_strays{'])
      expect(numbers).toContain(name);
    for (const name of ['curfew_oldest_operation_seconds{', 'curfew_queue_canary_seconds{'])
      expect(numbers).toContain(name);
    const late = await (await fetch(`${service.address('timekeeper')}/metrics`)).text();
    expect(late).toContain('curfew_end_decision_lateness_seconds_bucket');
  });

  it('carries one id from the HTTP request to the provider’s call', async () => {
    const { id } = await ask('5m');
    const { grants } = await ben.run<Request>('approve', id, '--yes');
    await reach(grants[0]!.id, 'active');
    const { items } = await cleo.run<{ items: { members: Record<string, string> }[] }>(
      'audit',
      'list',
      '--subject',
      grants[0]!.id,
    );
    const [made, ...worker] = items.map(({ members }) => members).toReversed();
    expect(worker.map((event) => event['correlation'])).toEqual(worker.map(() => made!['correlation']));
    expect(service.log('api')).toContain(made!['correlation']);
    expect(service.calls(made!['correlation']!)).toEqual([
      expect.objectContaining({ step: 'issue', grant: grants[0]!.id, target: 'orders-db', outcome: 'done' }),
    ]);
    await ada.run('done', grants[0]!.id);
  });

  it('keeps secrets and reasons out of its database, its queue and its logs', async () => {
    const reason = 'marked-reason-7d1f';
    const { id } = await ada.run<Request>('request', 'orders-db/read', '--for', '5m', '--reason', reason, '--no-wait');
    const { grants } = await ben.run<Request>('approve', id, '--yes');
    await reach(grants[0]!.id, 'active');
    const waiting = await everyRow(service.databaseUrl);
    const { fields } = await ada.run<{ fields: Record<string, string> }>('credential', grants[0]!.id);
    const target = JSON.parse(readFileSync(join(service.clone.home, 'demo.json'), 'utf8')) as {
      targets: { password: string }[];
    };
    const tokens = readdirSync(join(service.clone.home, 'state'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
      .flatMap(
        (entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').match(/[\w-]{40,}(\.[\w-]+)*/g) ?? [],
      );
    // The name of a grant's role is as long as a token, and no secret.
    const isSecret = (text: string): boolean => !text.startsWith('curfew-');
    const known = [reason, fields['password']!, service.password('ada'), target.targets[0]!.password];
    const secrets = [...known, ...tokens.filter(isSecret)];
    expect(secrets.length).toBeGreaterThan(8);
    const places = {
      'the database while it waits': waiting,
      'the database after it was picked up': await everyRow(service.databaseUrl),
      'the queue': redis ? await everyKey(redis.url) : '',
      ...Object.fromEntries(APPS.map((name) => [`the log of the ${name}`, service.log(name)])),
    };
    const found = Object.entries(places).flatMap(([place, text]) =>
      secrets.flatMap((secret, index) => (text.includes(secret) ? [`${place}: secret ${index}`] : [])),
    );
    expect(found).toEqual([]);
    // The looking finds what is there.
    expect(waiting).toContain(grants[0]!.id);
    await ada.run('done', grants[0]!.id);
  });

  it('keeps fifty marked values out of all that it writes, answers, counts and shows of itself', async () => {
    const marked = (what: string, count: number): string[] =>
      Array.from({ length: count }, (_, n) => `marked-${what}-${n}-${randomBytes(12).toString('hex')}`);
    const [reasons, passwords, refused] = [marked('reason', 10), marked('password', 10), marked('refused', 5)];
    const [bearers, refreshes, handles] = [marked('bearer', 6), marked('refresh', 6), marked('handle', 6)];
    const [queries, astray] = [marked('query', 6), marked('path', 1)];
    const file = (name: string): object => ({
      name,
      kind: 'postgres',
      owner: 'orders-owners',
      connection: { host: 'db.invalid', database: 'x', user: 'curfew', objectsOwner: 'objects' },
      entitlements: { read: { database: 'x', groupRole: 'reader' } },
    });
    const token = tokenIn(join(service.clone.home, 'state'), 'root');
    const said: string[] = [];
    const send = async (method: string, path: string, body?: object, bearer = token): Promise<number> => {
      const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
      const answer = await fetch(`${service.url}${path}`, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      });
      said.push(JSON.stringify([...answer.headers]), await answer.text());
      return answer.status;
    };
    const prefix = `marked-${randomBytes(3).toString('hex')}`;
    const answers = [
      ...passwords.map((password, n) => send('POST', '/v1/targets', { file: file(`${prefix}-${n}`), password })),
      ...refused.map((password) => send('POST', '/v1/targets', { file: { name: 1 }, password })),
      ...refreshes.map((refreshToken) => send('POST', '/v1/tokens', { refreshToken })),
      ...handles.map((handle) => send('POST', `/v1/sign-ins/${randomUUID()}/tokens`, { handle })),
      ...bearers.map((bearer) => send('GET', '/v1/me', undefined, bearer)),
      ...queries.map((query) => send('GET', `/v1/me?access_token=${query}`)),
      ...astray.map((path) => send('GET', `/v1/${path}`)),
    ];
    expect(new Set(await Promise.all(answers))).toEqual(new Set([201, 400, 401, 404]));
    for (const reason of reasons) {
      const order = ['request', 'orders-db/read', '--for', '1m', '--reason', reason, '--no-wait'];
      await ada.run('withdraw', (await ada.run<Request>(...order)).id);
    }
    const sent = [bearers, refreshes, handles, queries, astray].flat();
    const planted = [...reasons, ...passwords, ...refused, ...sent];
    expect(planted).toHaveLength(50);
    const pids = APPS.map((name) => service.pid(name));
    const own = pids.map((pid) => databasePasswordOf(pid));
    expect(new Set(own).size).toBe(APPS.length);
    const numbers = APPS.map(async (name) => (await fetch(`${service.address(name)}/metrics`)).text());
    const places = {
      'the database': await everyRow(service.databaseUrl),
      'the queue': redis ? await everyKey(redis.url) : '',
      'the numbers': (await Promise.all(numbers)).join('\n'),
      'what runs': everyCommandLine(),
      // A refused query names what it does not know, and the value never.
      'the answers': said.join('\n'),
      ...Object.fromEntries(APPS.map((name) => [`the log of the ${name}`, service.log(name)])),
    };
    const found = Object.entries(places).flatMap(([place, text]) =>
      [...planted, ...own, token].filter((value) => text.includes(value)).map((value) => `${place}: ${value}`),
    );
    expect(found).toEqual([]);
    // The looking finds what is there.
    expect(places['the database']).toContain(`${prefix}-9`);
    expect(places['what runs']).toContain('dist/apps/api');
    for (const pid of pids) {
      const [command, environment] = ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'utf8'));
      expect(`${command} ${environment}`).not.toMatch(/--abort-on-uncaught|--inspect|--heapsnapshot|--report-/);
    }
  }, 90_000);

  it('goes on when any process is killed at any moment', async () => {
    const { id } = await ask('6s');
    service.kill('worker');
    const { grants } = await ben.run<Request>('approve', id, '--yes');
    const grant = grants[0]!.id;
    await reach(grant, 'active', 20_000);
    for (const name of ['timekeeper', 'worker', 'api'] as const) service.kill(name);
    const ended = await waitFor(
      () =>
        look(grant)
          .then((life) => (life.state === 'ended' ? life : undefined))
          .catch(() => undefined),
      30_000,
      200,
    );
    expect(ended).toMatchObject({ endReason: 'expired' });
    expect(Date.parse(ended!.endedAt!) - Date.parse(ended!.endsAt)).toBeLessThan(16_000);
  }, 90_000);

  it('leaves nothing broken, after all of this', async () => {
    const database = new Client({ connectionString: service.databaseUrl });
    await database.connect();
    try {
      const asked: Asked = { query: async (sql, parameters) => (await database.query(sql, parameters)).rows };
      await expect.poll(() => broken(asked, { server: asked }), { timeout: 15_000 }).toEqual([]);
    } finally {
      await database.end();
    }
  });

  it.runIf(backend === 'Redis')(
    'loses nothing when Redis is gone',
    async () => {
      await redis?.stop();
      const grant = await begin('4s');
      const ended = await reach(grant, 'ended', 20_000);
      expect(Date.parse(ended.endingAt!) - Date.parse(ended.endsAt)).toBeLessThan(1_000);
    },
    60_000,
  );
});

describe('npm run demo', () => {
  it('starts what does not run, tells the story, ends with 0, and leaves nothing running', async () => {
    const home = mkdtempSync(join(tmpdir(), 'curfew demo '));
    const clone: Clone = { root: resolve(import.meta.dirname, '../..'), home };
    try {
      const demo = spawn(process.execPath, [join(clone.root, 'scripts/demo.ts')], {
        cwd: clone.root,
        env: { PATH: process.env['PATH'], HOME: home, CURFEW_HOME: home, NO_COLOR: '1' },
      });
      let said = '';
      for (const stream of [demo.stdout, demo.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (said += text));
      const ended = once(demo, 'close');
      const run = await waitFor(() => {
        const seen = readRun(clone);
        return APPS.every((name) => seen?.processes[name]?.state === 'ready') ? seen : undefined;
      }, 60_000);
      const pids = [run?.pid, run?.database?.pid, ...APPS.map((name) => run?.processes[name]?.pid)].map(Number);
      const [code] = await ended;
      expect(said).toMatch(/Curfew started in [^]*Every promise was kept/);
      expect(code).toBe(0);
      expect(pids.every((pid) => pid > 0)).toBe(true);
      expect(await allGone(pids, 5_000)).toEqual([]);
    } finally {
      await stopServer(paths.postgres(clone));
      rmSync(home, { recursive: true, force: true });
    }
  }, 150_000);

  it('says which promise is broken, and ends with an error, when nobody carries the end out', async () => {
    const service = await RunningService.start();
    let worker = 0;
    try {
      const demo = spawn(process.execPath, ['scripts/demo.ts'], {
        cwd: service.clone.root,
        env: { PATH: process.env['PATH'], HOME: service.clone.home, CURFEW_HOME: service.clone.home, NO_COLOR: '1' },
      });
      let said = '';
      for (const stream of [demo.stdout, demo.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (said += text));
      const ended = once(demo, 'close');
      expect(await waitFor(() => said.includes('ada stays connected') || undefined, 60_000)).toBe(true);
      worker = service.pid('worker');
      process.kill(worker, 'SIGSTOP');
      const [code] = await ended;
      expect(said).toContain('BROKEN: the open session is cut at the deadline');
      expect(said).toContain('BROKEN: ended means proven');
      expect(code).toBe(1);
    } finally {
      if (worker > 0) signal(worker, 'SIGCONT');
      await service.stop();
    }
  }, 180_000);
});
