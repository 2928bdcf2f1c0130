import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sealer } from '@app/platform';
import { Secret } from '@app/kernel';
import { anApiApp, type ApiApp, type Got, type Sent } from '../support/api-app';
import { holding, inLine } from '../support/contention';
import { statementsOf } from '../support/plans';

const JSON_TYPE = { 'content-type': 'application/json' };
/** Keys that nobody asked for, among them those that libraries take out of what is sent, or find in every object. */
const SURPRISES = ['surprise', '__proto__', 'constructor', 'prototype', 'toString'];
const refusalOf = (key: string): string => JSON.stringify(`Unrecognized key: "${key}"`).slice(1, -1);
const ID = '3f0d7f0e-7d0f-4b5e-8a55-0b4b7f4f2c11';

const TARGET = {
  file: {
    name: 'other',
    kind: 'postgres',
    owner: 'Group::"owners"',
    connection: { host: 'db.invalid', port: 5432, database: 'orders', user: 'curfew', objectsOwner: 'objects' },
    entitlements: { read: { database: 'orders', groupRole: 'reader' } },
  },
  password: 'not one',
};

/** Every route of the api, and a body that it would take. What is not here has no body, or none of ours. */
const BODIES: Readonly<Record<string, object>> = {
  'POST /v1/requests': { entitlements: ['db/read'], durationSeconds: 600, reason: 'why' },
  'POST /v1/requests/:id/decisions': { verdict: 'approve', scopeHash: '0'.repeat(64) },
  'POST /v1/targets': TARGET,
  'PUT /v1/targets/:name': { ...TARGET, moved: true },
  'POST /v1/targets/:name/strays/confirmation': { strays: [ID] },
  'POST /v1/policies/checks': { policies: [{ file: 'a.cedar', text: '' }], groups: { file: 'groups.yaml', text: '' } },
  'POST /v1/policies/explanations': { entitlement: 'db/read', durationSeconds: 600, identityId: ID },
  'POST /v1/sign-ins': { maxAgeSeconds: 600 },
  'POST /v1/sign-ins/:id/tokens': { handle: 'h'.repeat(43) },
  'POST /v1/tokens': { refreshToken: 'r'.repeat(43) },
};

/** The documentation's own: pages and a script, the same for everybody. */
const DOCUMENTATION = /^GET \/(?:docs(?:\/.*)?|openapi\.json)$/;
const PUBLIC = new Set([
  'GET /',
  'GET /healthz',
  'GET /readyz',
  'GET /metrics',
  'POST /v1/sign-ins',
  'POST /v1/sign-ins/:id/tokens',
  'POST /v1/tokens',
]);

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
}

describe('each route', () => {
  let api: ApiApp;
  let routes: string[];
  const tokens: Record<string, string> = {};
  beforeAll(async () => {
    api = await anApiApp();
    const express = api.app.getHttpAdapter().getInstance() as unknown as { router: { stack: Layer[] } };
    routes = express.router.stack
      .flatMap(({ route }) =>
        route ? Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`) : [],
      )
      .filter((route) => !DOCUMENTATION.test(route));
    for (const name of ['ada', 'ben', 'eve', 'cleo', 'root', 'olga']) tokens[name] = await api.tokenOf(name);
    const sealer = api.app.get(Sealer, { strict: false });
    for (const [name, owner] of [
      ['db', 'owners'],
      ['hidden', 'nobodys'],
    ] as const) {
      const id = randomUUID();
      const connection = {
        host: '127.0.0.1',
        port: 1,
        database: 'db',
        user: 'curfew',
        tls: { mode: 'disable' },
        objectsOwner: 'o',
      };
      await api.owner.query(
        `WITH settings AS MATERIALIZED (SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true))
         INSERT INTO targets (id, name, kind, owner_group, connection, password_sealed, config_hash)
         SELECT $1, $2, 'postgres', $3, $4, $5, sha256('x') FROM settings`,
        [id, name, owner, connection, await sealer.seal(new Secret('x'), `targets.password_sealed:${id}`)],
      );
      await api.owner.query(
        `INSERT INTO entitlements (target_id, name, config) SELECT $1, name, $2 FROM (VALUES ('read'), ('write')) e (name)`,
        [id, { database: 'db', groupRole: 'reader' }],
      );
    }
  });
  afterAll(() => api.close());

  const as = (name?: string) => (name === undefined ? {} : { authorization: `Bearer ${tokens[name]}` });
  const at = (route: string, more: { id?: string; name?: string } = {}) => {
    const [method = '', path = ''] = route.split(' ');
    return { method, path: path.replace(':id', more.id ?? ID).replace(':name', more.name ?? 'db') };
  };
  const post = (path: string, body: unknown, who: string, headers: Record<string, string> = {}) =>
    api.send({ method: 'POST', path, headers: { ...as(who), ...JSON_TYPE, ...headers }, body: JSON.stringify(body) });
  const open = async (who = 'ada') => {
    const got = await post('/v1/requests', BODIES['POST /v1/requests'], who);
    expect(got.status).toBe(201);
    return JSON.parse(got.text) as { id: string; scopeHash: string };
  };

  it('is known here', () => {
    expect(routes.length).toBeGreaterThan(25);
    expect(new Set(routes).size).toBe(routes.length);
    for (const route of [...Object.keys(BODIES), ...PUBLIC]) expect(routes, route).toContain(route);
  });

  it('says who may call it: those that are not for everybody answer 401 without a token, whatever is sent', async () => {
    for (const route of routes) {
      const got = await api.send({
        ...at(route),
        headers: JSON_TYPE,
        body: route.startsWith('GET') ? undefined : '{"surprise":1}',
      });
      expect(got.status === 401, `${route}: ${got.status}`).toBe(!PUBLIC.has(route));
    }
    for (const token of ['', 'x', 'x.y.z', `${tokens['ada']}x`, tokens['ada']!.slice(0, -2)]) {
      const got = await api.send({ method: 'GET', path: '/v1/me', headers: { authorization: `Bearer ${token}` } });
      expect(got.status, token).toBe(401);
    }
  });

  it.each(SURPRISES)('refuses what it does not ask for: %s in the query', async (key) => {
    for (const route of routes) {
      const { method, path } = at(route);
      const body = method === 'GET' ? undefined : JSON.stringify(BODIES[route] ?? {});
      const got = await api.send({
        method,
        path: `${path}?${key}=1`,
        headers: { ...as('root'), ...JSON_TYPE },
        body,
      });
      expect({ route, status: got.status, says: got.text.includes(refusalOf(key)) }).toEqual({
        route,
        status: 400,
        says: true,
      });
    }
  });

  it.each(SURPRISES)('refuses what it does not ask for: %s in the body, at every depth that is ours', async (key) => {
    for (const route of routes.filter((name) => !name.startsWith('GET'))) {
      const bodies: object[] = [{ ...BODIES[route], [key]: 1 }];
      if (route === 'POST /v1/policies/checks')
        bodies.push({ policies: [], groups: { file: 'a', text: '', [key]: 1 } });
      // Of an object whose members a provider names, this one is refused before it is asked.
      if (route === 'POST /v1/targets' && key === '__proto__')
        bodies.push({ ...TARGET, file: { ...TARGET.file, [key]: {} } });
      for (const body of bodies) {
        const got = await api.send({
          ...at(route),
          headers: { ...as('root'), ...JSON_TYPE },
          body: JSON.stringify(body),
        });
        const problems = got.status === 400 ? JSON.stringify(JSON.parse(got.text).details) : '';
        expect({ route, status: got.status, says: problems.includes(refusalOf(key)) }).toEqual({
          route,
          status: 400,
          says: true,
        });
      }
    }
  });

  it('takes ids that are UUIDs and names that are names, and no others', async () => {
    for (const route of routes.filter((name) => name.includes('/:'))) {
      for (const wrong of [
        '1',
        '..%2f..%2fme',
        '%00',
        '%27',
        `${ID}x`,
        'A'.repeat(300),
        `${ID}%0a`,
        '%F0%9F%98%80',
        '*',
        'a b'.replace(' ', '%20'),
      ]) {
        const { method, path } = at(route, { id: wrong, name: wrong });
        const right = route.includes(':name') && /^[a-z0-9-]{1,40}$/.test(wrong);
        const body = method === 'GET' ? undefined : JSON.stringify(BODIES[route] ?? {});
        const got = await api.send({ method, path, headers: { ...as('root'), ...JSON_TYPE }, body });
        expect({ route, wrong, status: got.status }).toEqual({ route, wrong, status: right ? 404 : 400 });
      }
    }
  });

  it('refuses a body that is deeper than any of ours, and says so', async () => {
    const body = `{"file":${'['.repeat(40)}${']'.repeat(40)},"password":"x"}`;
    const got = await api.send({ ...at('POST /v1/targets'), headers: { ...as('root'), ...JSON_TYPE }, body });
    expect([got.status, got.text]).toEqual([400, expect.stringContaining('no more than 32 levels')]);
  });

  describe('answers no 500 to', () => {
    const deep = (depth: number, left: string, right: string) => left.repeat(depth) + '1' + right.repeat(depth);
    const NASTY: Readonly<Record<string, { body: string | Buffer; headers?: Record<string, string> }>> = {
      'a huge body': { body: JSON.stringify({ reason: 'x'.repeat(600_000) }) },
      'a body just as large as is taken': { body: JSON.stringify({ reason: 'x'.repeat(262_000) }) },
      'deep arrays': { body: deep(120_000, '[', ']') },
      'deep objects': { body: deep(40_000, '{"a":', '}') },
      'a deep member': { body: `{"file":${deep(40_000, '{"a":', '}')},"password":"x"}` },
      'deep entitlements': { body: `{"entitlements":${deep(100_000, '[', ']')},"durationSeconds":1,"reason":"x"}` },
      __proto__: { body: '{"__proto__":{"surprise":1},"constructor":{"prototype":{"surprise":1}}}' },
      'an array': { body: '[1,2,3]' },
      null: { body: 'null' },
      'a number': { body: '1e400' },
      'a string': { body: '"x"' },
      nothing: { body: '' },
      'half of something': { body: '{"a":' },
      'invalid UTF-8': { body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) },
      'many keys': { body: JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, n]))) },
      'another type': { body: 'a=1&b=2', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      'plain text': { body: '{"a":1}', headers: { 'content-type': 'text/plain' } },
      'no type': { body: '{"a":1}', headers: { 'content-type': '' } },
      'a strange type': { body: '{"a":1}', headers: { 'content-type': 'application/json; charset=utf-7' } },
      'another charset': {
        body: Buffer.from('{"a":1}', 'utf16le'),
        headers: { 'content-type': 'application/json; charset=utf-16' },
      },
      'a false encoding': { body: '{"a":1}', headers: { 'content-encoding': 'gzip' } },
      'an unknown encoding': { body: '{"a":1}', headers: { 'content-encoding': 'surprise' } },
      multipart: { body: '--x\r\n\r\n--x--', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
    };

    /** The body that would be taken, with each of its members in turn replaced by something nasty, as it goes over the wire. */
    const VALUES = [
      '"\\u0000"',
      '"a\\u0000b"',
      '"\\ud800"',
      '"\\udfff x"',
      '1e400',
      '-1e400',
      '1e308',
      '-0',
      '0.1',
      '[]',
      '{}',
      'null',
      'true',
      '""',
      '"__proto__"',
      `"${'x'.repeat(5_000)}"`,
      '["\\u0000"]',
      '{"\\u0000":1}',
      '{"\\ud800":"\\ud800"}',
      '9007199254740993',
      '"\\ufeff"',
      '"../../x"',
    ];
    const mutated = (body: unknown): string[] => {
      const mark = randomUUID();
      const places: unknown[] = [];
      const walk = (value: unknown, put: (replacement: unknown) => unknown): void => {
        places.push(put(mark));
        if (typeof value !== 'object' || value === null) return;
        for (const [key, member] of Object.entries(value)) {
          walk(member, (replacement) =>
            put(Array.isArray(value) ? value.with(Number(key), replacement) : { ...value, [key]: replacement }),
          );
        }
      };
      walk(body, (replacement) => replacement);
      return places.flatMap((place) => VALUES.map((value) => JSON.stringify(place).replace(`"${mark}"`, () => value)));
    };

    /** What is wrong with the answer: nothing, unless it is a failure of ours or an error that is no problem. */
    const failureOf = async (sent: Sent): Promise<string[]> => {
      const before = api.logged.length;
      const got = await api.send(sent);
      // The provider of this house does not exist: that is a 503, and said.
      const unavailable = got.status === 503 && got.text.includes('identity.provider_unavailable');
      const isProblem = String(got.headers['content-type']).startsWith('application/problem+json');
      const well = unavailable || got.status < 400 || (got.status < 500 && isProblem);
      const logged = api.logged.slice(before).join('\n').slice(0, 2_000);
      return well
        ? []
        : [`${sent.method} ${sent.path.slice(0, 200)}: ${got.status} to ${String(sent.body).slice(0, 300)}\n${logged}`];
    };
    const failuresOf = async (all: readonly Sent[]): Promise<string[]> => {
      const failures: string[] = [];
      for (const sent of all) failures.push(...(await failureOf(sent)));
      return failures;
    };

    it.each(Object.keys(NASTY))('%s', async (name) => {
      const { body, headers } = NASTY[name]!;
      const all = routes
        .filter((one) => !one.startsWith('GET'))
        .flatMap((route) => {
          const sent = { ...at(route), headers: { ...JSON_TYPE, ...headers }, body };
          const signedIn = { ...sent.headers, ...as('root') };
          return [
            sent,
            { ...sent, headers: signedIn },
            { ...sent, headers: { ...signedIn, 'idempotency-key': randomUUID() } },
          ];
        });
      expect(await failuresOf(all)).toEqual([]);
    });

    it.each(Object.keys(BODIES))(
      'members that are not what they should be: %s',
      async (route) => {
        const all = mutated(BODIES[route]).flatMap((body) =>
          (PUBLIC.has(route) ? [undefined] : ['root', 'ada']).map((who) => ({
            ...at(route),
            headers: { ...JSON_TYPE, ...as(who), 'idempotency-key': randomUUID() },
            body,
          })),
        );
        expect(await failuresOf(all)).toEqual([]);
      },
      120_000,
    );

    it('members that come twice: the last one counts', async () => {
      const body = '{"durationSeconds":600,"durationSeconds":601,"reason":"x","reason":"y","entitlements":["db/read"]}';
      const got = await api.send({
        method: 'POST',
        path: '/v1/requests',
        headers: { ...JSON_TYPE, ...as('ada') },
        body,
      });
      expect(JSON.parse(got.text)).toMatchObject({ durationSeconds: 601, reason: 'y' });
    });

    it('queries that are not what they should be', async () => {
      const cursor = (text: string) => `cursor=${Buffer.from(text).toString('base64url')}`;
      const queries = [
        'limit=0',
        'limit=-1',
        'limit=1e400',
        'limit=NaN',
        'limit=',
        'limit=1&limit=2',
        'limit[]=1',
        'limit[a]=1',
        '__proto__=1',
        '__proto__[a]=1',
        'state=%00',
        'state[]=active',
        'box=%ff',
        '%ff=%ff',
        'mine=%00',
        '&&&&',
        '?',
        'cursor=%00',
        'cursor=',
        'cursor=!!!!',
        `cursor=${'A'.repeat(7_000)}`,
        `mine=${'x'.repeat(1_000)}`,
        '='.repeat(1_000),
        cursor(`2026-13-45T00:00:00.000Z ${ID}`),
        cursor(`2026-02-30T00:00:00.000Z ${ID}`),
        cursor(`0000-01-01T00:00:00.000Z ${ID}`),
        cursor(`9999-12-31T23:59:59.999Z ${'-'.repeat(36)}`),
        cursor(`2026-01-01T24:00:00.000Z ${'a'.repeat(36)}`),
        cursor(`2026-01-01T00:00:00.000Z ${ID}\0`),
        'actor=%00',
        'actor=a%00b',
        'correlation=%00',
        'actor=%ed%a0%80',
        'subject=%00',
        'before=9999999999999999999',
        'after=9223372036854775808',
        'before=1e3',
        'before=9223372036854775807',
        Array.from({ length: 1_500 }, (_, n) => `a${n}=1`).join('&'),
      ];
      const gets = routes.filter((one) => one.startsWith('GET'));
      const all = gets.flatMap((route) =>
        queries.map((query) => ({ ...at(route), path: `${at(route).path}?${query}`, headers: as('cleo') })),
      );
      expect(await failuresOf(all)).toEqual([]);
    });

    it('paths, methods and headers that are not what they should be', async () => {
      const paths = [
        '/%',
        '/%00',
        '/v1/%ff',
        '//',
        '/v1//requests',
        '/v1/requests/',
        '/v1/requests/%2e%2e/grants',
        '/v1/../v1/me',
        '*',
      ];
      paths.push(`/${'a'.repeat(10_000)}`, '/docs/../../etc/passwd', '/docs/%2e%2e/%2e%2e/package.json');
      const keyed = [' ', 'é', 'x'.repeat(256), 'a\tb'].map((key) => ({
        ...at('POST /v1/requests'),
        headers: { ...JSON_TYPE, ...as('ada'), 'idempotency-key': key },
        body: JSON.stringify(BODIES['POST /v1/requests']),
      }));
      const all = [
        ...paths.map((path) => ({ method: 'GET', path, headers: as('ada') })),
        ...['PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'].map((method) => ({
          method,
          path: '/v1/requests',
          headers: as('ada'),
        })),
        ...keyed,
      ];
      expect(await failuresOf(all)).toEqual([]);
      for (const sent of keyed) expect(await api.send(sent)).toMatchObject({ status: 400 });
    });
  });

  describe('of what one may not see', () => {
    /** Everything that somebody could tell a difference by, but for the ids. */
    const shown = ({ status, headers, text }: Got, ids: readonly string[]) => {
      const { date: _, 'x-request-id': requestId, ...rest } = headers;
      const hidden = [...ids, String(requestId)].reduce((one, id) => one.replaceAll(id, '<id>'), text);
      return { status, headers: { ...rest, 'content-length': undefined }, text: hidden };
    };
    const watched = async (sent: Sent) => {
      let got: Got | undefined;
      const statements = await statementsOf(api.database, async () => (got = await api.send(sent)));
      return { got: got!, statements: statements.map(({ sql }) => sql) };
    };
    /** What tells the two apart, who must both be told that there is nothing. */
    const differenceOf = async (one: Sent, other: Sent, ids: readonly string[]): Promise<string[]> => {
      const [seen, absent] = [await watched(one), await watched(other)];
      const whole = ({ got, statements }: typeof seen) => JSON.stringify([shown(got, ids), statements], undefined, 1);
      const well = seen.got.status === 404 && seen.statements.length > 0 && whole(seen) === whole(absent);
      return well ? [] : [`${one.method} ${one.path}:\n${whole(seen)}\n${whole(absent)}`];
    };

    it('says that there is no such request, with the same statements as for a wrong id', async () => {
      const differences: string[] = [];
      const { id } = await open('ada');
      for (const route of routes.filter((name) => name.includes('/requests/:id'))) {
        const wrong = randomUUID();
        const body = route.startsWith('GET') ? undefined : JSON.stringify(BODIES[route] ?? {});
        const headers = { ...as('eve'), ...(body === undefined ? {} : JSON_TYPE) };
        differences.push(
          ...(await differenceOf(
            { ...at(route, { id }), headers, body },
            { ...at(route, { id: wrong }), headers, body },
            [id, wrong],
          )),
        );
      }
      expect(differences).toEqual([]);
    });

    it('says that there is no such grant, with the same statements as for a wrong id', async () => {
      const differences: string[] = [];
      const { id: request } = await open('olga');
      const { rows } = await api.owner.query<{ id: string }>('SELECT id FROM grants WHERE request_id = $1', [request]);
      const id = rows[0]!.id;
      for (const route of routes.filter((name) => name.includes('/grants/:id'))) {
        const wrong = randomUUID();
        const body = route.startsWith('GET') ? undefined : '{}';
        const headers = { ...as('eve'), ...(body === undefined ? {} : JSON_TYPE) };
        differences.push(
          ...(await differenceOf(
            { ...at(route, { id }), headers, body },
            { ...at(route, { id: wrong }), headers, body },
            [id, wrong],
          )),
        );
      }
      expect(differences).toEqual([]);
    });

    it('says that there is no such target, with the same statements as for a wrong name', async () => {
      const differences: string[] = [];
      for (const route of routes.filter((name) => name.includes('/targets/:name'))) {
        const body = route.startsWith('GET') ? undefined : JSON.stringify(BODIES[route] ?? {});
        const headers = { ...as('eve'), ...(body === undefined ? {} : JSON_TYPE) };
        differences.push(
          ...(await differenceOf(
            { ...at(route, { name: 'hidden' }), headers, body },
            { ...at(route, { name: 'absent' }), headers, body },
            ['hidden', 'absent'],
          )),
        );
      }
      expect(differences).toEqual([]);
    });

    it('refuses to explain somebody else’s case before it looks for what it is about', async () => {
      const texts = [];
      for (const entitlement of ['hidden/read', 'absent/read']) {
        const got = await post(
          '/v1/policies/explanations',
          { entitlement, durationSeconds: 60, identityId: ID },
          'eve',
        );
        texts.push(shown(got, [entitlement]));
      }
      expect(texts[0]).toMatchObject({ status: 403 });
      expect(texts[0]).toEqual(texts[1]);
    });

    it('says that there is no such entitlement, on a target one sees or not, when asked for it or asked about it', async () => {
      const differences: string[] = [];
      const ask = (path: string, ...names: [string, ...string[]]) => {
        const body = path.endsWith('requests')
          ? { entitlements: names, durationSeconds: 60, reason: 'x' }
          : { entitlement: names[0], durationSeconds: 60 };
        return { method: 'POST', path, headers: { ...as('eve'), ...JSON_TYPE }, body: JSON.stringify(body) };
      };
      for (const path of ['/v1/requests', '/v1/policies/explanations']) {
        differences.push(
          ...(await differenceOf(ask(path, 'hidden/read'), ask(path, 'absent/read'), ['hidden/read', 'absent/read'])),
        );
        differences.push(
          ...(await differenceOf(ask(path, 'hidden/read'), ask(path, 'hidden/none'), ['hidden/read', 'hidden/none'])),
        );
      }
      // With something after it that is certainly not there: it is not that one that the answer speaks of.
      const [hidden, absent] = ['hidden/read', 'hidden/none'].map((name) => ask('/v1/requests', name, 'absent/read'));
      differences.push(...(await differenceOf(hidden!, absent!, ['hidden/read', 'hidden/none'])));
      expect(differences).toEqual([]);
    });
  });

  it('lets administrators alone add targets and load policies', async () => {
    const target = BODIES['POST /v1/targets'];
    for (const who of ['ada', 'ben', 'cleo']) {
      const added = await post('/v1/targets', target, who);
      const loaded = await post('/v1/policies/reload', {}, who);
      expect([added.status, JSON.parse(added.text).code, loaded.status, JSON.parse(loaded.text).code]).toEqual([
        403,
        'access.not_permitted',
        403,
        'access.not_permitted',
      ]);
    }
  });

  describe('with an Idempotency-Key', () => {
    const count = async () => {
      const { rows } = await api.owner.query<{ count: number }>('SELECT count(*)::int AS count FROM requests');
      return rows[0]!.count;
    };
    const body = () => ({ ...BODIES['POST /v1/requests'], reason: randomUUID() });

    it('gives the same answer to the letter to the same key and body, though things have moved on', async () => {
      const [key, asked] = [randomUUID(), body()];
      const first = await post('/v1/requests', asked, 'ada', { 'idempotency-key': key });
      const before = await count();
      await api.send({
        method: 'POST',
        path: `/v1/requests/${JSON.parse(first.text).id}/withdrawal`,
        headers: as('ada'),
      });
      const again = await post('/v1/requests', asked, 'ada', { 'idempotency-key': key });
      expect(first.status).toBe(201);
      expect({ status: again.status, text: again.text }).toEqual({ status: 201, text: first.text });
      expect(await count()).toBe(before);
    });

    it('takes the same members in another order for the same body', async () => {
      const [key, asked] = [randomUUID(), body()];
      const turned = Object.fromEntries(Object.entries(asked).toReversed());
      const first = await post('/v1/requests', asked, 'ada', { 'idempotency-key': key });
      const before = await count();
      const again = await post('/v1/requests', turned, 'ada', { 'idempotency-key': key });
      expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
      expect(await count()).toBe(before);
    });

    it.each([
      ['a number that is too large', '{"durationSeconds":1e400,"reason":"x","entitlements":["db/read"]}'],
      ['half a character', '{"durationSeconds":600,"reason":"\\ud800","entitlements":["db/read"]}'],
    ])('refuses a body with %s, which is never the same', async (_, text) => {
      const headers = { ...JSON_TYPE, ...as('ada'), 'idempotency-key': randomUUID() };
      const got = await api.send({ method: 'POST', path: '/v1/requests', headers, body: text });
      expect(got.status).toBe(400);
    });

    it('refuses the key with another body, and at another place', async () => {
      const key = randomUUID();
      const first = await post('/v1/requests', body(), 'ada', { 'idempotency-key': key });
      const before = await count();
      for (const [path, sent] of [
        ['/v1/requests', body()],
        [`/v1/requests/${JSON.parse(first.text).id}/withdrawal`, {}],
      ] as const) {
        const got = await post(path, sent, 'ada', { 'idempotency-key': key });
        expect(got).toMatchObject({ status: 409 });
        expect(JSON.parse(got.text).code).toBe('http.idempotency_key_reused');
      }
      expect(await count()).toBe(before);
    });

    it('is for one thing: the same body at another place is something else', async () => {
      const key = randomUUID();
      const [one, other] = [await post('/v1/requests', body(), 'ada'), await post('/v1/requests', body(), 'ada')];
      const withdraw = ({ text }: Got) =>
        post(`/v1/requests/${JSON.parse(text).id}/withdrawal`, {}, 'ada', { 'idempotency-key': key });
      expect((await withdraw(one)).status).toBe(200);
      const got = await withdraw(other);
      expect([got.status, JSON.parse(got.text).code]).toEqual([409, 'http.idempotency_key_reused']);
    });

    it('is the caller’s own: the same key of somebody else is another', async () => {
      const [key, asked] = [randomUUID(), body()];
      const [one, other] = [
        await post('/v1/requests', asked, 'ada', { 'idempotency-key': key }),
        await post('/v1/requests', asked, 'ben', { 'idempotency-key': key }),
      ];
      expect([one.status, other.status]).toEqual([201, 201]);
      expect(JSON.parse(one.text).id).not.toBe(JSON.parse(other.text).id);
    });

    it('has one effect when two come at once, and both get its answer', async () => {
      const [key, asked] = [randomUUID(), body()];
      const before = await count();
      const held = await holding(
        api.test.urls.owner,
        `INSERT INTO idempotency_keys (identity_id, key, request_hash) SELECT id, $1, sha256('x') FROM identities WHERE subject = 'ada'`,
        [key],
      );
      const send = () => post('/v1/requests', asked, 'ada', { 'idempotency-key': key });
      const [one, two] = await inLine(held, [send, send]);
      expect(one).toMatchObject({ status: 'fulfilled', value: { status: 201 } });
      expect(two).toMatchObject({ status: 'fulfilled', value: { status: 201 } });
      const texts = [one, two].map((result) => (result?.status === 'fulfilled' ? result.value.text : ''));
      expect(texts[0]).toBe(texts[1]);
      expect(await count()).toBe(before + 1);
    });

    it('keeps no answer of what did not happen', async () => {
      const key = randomUUID();
      const wrong = await post('/v1/requests', { ...body(), entitlements: ['no/thing'] }, 'ada', {
        'idempotency-key': key,
      });
      expect(wrong.status).toBe(404);
      expect((await post('/v1/requests', body(), 'ada', { 'idempotency-key': key })).status).toBe(201);
    });

    it('is not taken where nothing can be repeated', async () => {
      const got = await post(`/v1/grants/${ID}/credential`, {}, 'ada', { 'idempotency-key': randomUUID() });
      expect(got.status).toBe(400);
      expect(JSON.parse(got.text).code).toBe('http.idempotency_key_refused');
    });
  });
});
