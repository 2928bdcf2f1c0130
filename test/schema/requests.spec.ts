import { randomUUID } from 'node:crypto';
import fc, { type Arbitrary } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anApiApp, type ApiApp, type Got, type Sent } from '../support/api-app';
import { broken } from '../support/oracle';

/** Another one finds other things: `CURFEW_TEST_SEED=7 npm test -- test/schema/requests.spec.ts`. */
const SEED = Number(process.env['CURFEW_TEST_SEED'] ?? 20_260_101);
const SEARCH_MS = 25_000;
/** No route has more to do than to give a target a few seconds. */
const DEADLINE_MS = 12_000;

/** Who asks: nobody, an engineer, an owner who may ask too, somebody on call, an auditor and an administrator. */
const CALLERS = [undefined, 'ada', 'ben', 'olga', 'cleo', 'root'] as const;

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema?: Schema;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** JSON as it goes over the wire, and whether a member is in it that nobody asked for. */
interface Text {
  readonly text: string;
  readonly surprise: boolean;
}

const SCOPE_HASH = '<the scope hash of the request>';
/** Values that no schema has in mind, as they are written in JSON. */
const ODD = [
  'null',
  'true',
  '0',
  '-1',
  '1e400',
  '-1e400',
  '1e308',
  '0.5',
  '-0',
  '9007199254740993',
  '[]',
  '{}',
  '[[[[]]]]',
  '""',

  '"PT30M"',
  '"2026-01-01T00:00:00Z"',
  '"30m"',
  '"-1h"',
  '"1e9"',
  '"Infinity"',
  '"0x10"',
  '" "',
  '"__proto__"',
  '"constructor"',

  '"\\u0000"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udfff"',
  '"\\ud83d"',
  '"\\u202egnp.exe"',
  '"\\u2066x\\u2069"',
  '"\\ufeff"',
  '"\\u200b"',

  // "а" of another alphabet, a full-width "d", a letter whose capital is longer, and one that falls apart.

  '"d\\u0430"',
  '"\\uff44b/read"',
  '"\\u0130"',
  '"\\u1e9b\\u0323"',
  '"\\u2028"',
  '"\\u0007"',
  '"\\u009b31m"',
  '"../../x"',

  '"\' OR 1=1 --"',
  '"\\"; DROP TABLE grants; --"',
  '"${7*7}"',
  '"%00"',
  '"<script>"',
  '{"$ne":null}',
  '{"length":1e9}',

  `"${'x'.repeat(3_000)}"`,
  `"${'\\u0301'.repeat(500)}"`,
  '['.repeat(40) + ']'.repeat(40),
  '{"__proto__":{"x":1}}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"toJSON":1,"then":1,"valueOf":null,"hasOwnProperty":1}',
] as const;
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  entitlements: ['"db/read"', '"db/read"', '"db/read"', '"db/write"', '"hidden/read"', '"none/none"'],
  entitlement: ['"db/read"', '"db/write"', '"hidden/read"'],
  scopeHash: [JSON.stringify(SCOPE_HASH), `"${'0'.repeat(64)}"`],
  reason: ['"because"', '"\\u05d0 \\u200f!"', '"\\ud83d\\ude80"'],
  host: ['"127.0.0.1"', '"169.254.169.254"', '"localhost"'],
};
const TARGET = {
  name: 'other',
  kind: 'postgres',
  owner: 'owners',
  connection: { host: '127.0.0.1', port: 5432, database: 'orders', user: 'curfew', objectsOwner: 'objects' },
  entitlements: { read: { database: 'orders', groupRole: 'reader' } },
};

const plain = (text: string): Text => ({ text, surprise: false });
const oneOf = (...texts: readonly string[]): Arbitrary<Text> => fc.constantFrom(...texts).map(plain);
const odd = oneOf(...ODD);
const mostly = (good: Arbitrary<Text>): Arbitrary<Text> =>
  fc.oneof({ weight: 24, arbitrary: good }, { weight: 1, arbitrary: odd });

class Bodies {
  constructor(private readonly document: Document) {}

  of(schema: Schema, name = ''): Arbitrary<Text> {
    const known = KNOWN[name];
    if (schema.$ref) return this.of(this.document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, name);
    if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => this.of(one, name)));
    if (schema.type === 'array') return mostly(this.#array(schema, name));
    if (known) return mostly(oneOf(...known));
    if (schema.type !== 'object') return mostly(this.#leaf(schema));
    return name === 'file' ? this.#like(TARGET) : mostly(this.#object(schema));
  }

  #array({ items = {}, minItems = 0 }: Schema, name: string): Arbitrary<Text> {
    const all = fc.uniqueArray(this.of(items, name), {
      minLength: minItems,
      maxLength: 3,
      selector: ({ text }) => text,
    });
    return all.map((texts) => ({
      text: `[${texts.map(({ text }) => text).join(',')}]`,
      surprise: texts.some(({ surprise }) => surprise),
    }));
  }

  #leaf({ type, const: only, enum: some, format, minimum = 0, maximum = 4_000 }: Schema): Arbitrary<Text> {
    if (only !== undefined || some) return oneOf(...(some ?? [only]).map((value) => JSON.stringify(value)));
    if (type === 'boolean') return oneOf('true', 'false');
    if (type === 'integer' || type === 'number')
      return fc
        .integer({ min: Math.max(minimum, 1), max: Math.min(maximum, 4_000) })
        .map((value) => plain(String(value)));
    if (format === 'uuid') return fc.uuid().map((id) => plain(JSON.stringify(id)));
    return fc
      .oneof(fc.string({ maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 12 }), fc.constant('orders.cedar'))
      .map((text) => plain(JSON.stringify(text)));
  }

  #object({ properties = {}, required = [], additionalProperties }: Schema): Arbitrary<Text> {
    const members = Object.entries(properties).map(([key, schema]) =>
      fc.tuple(
        fc.constant(key),
        this.of(schema, key),
        fc.integer({ min: 0, max: required.includes(key) ? 30 : 3 }).map((chance) => chance > 0),
        fc.integer({ min: 0, max: 30 }).map((chance) => (chance === 0 ? 2 : 1)),
      ),
    );
    const extra = fc.oneof(
      { weight: 12, arbitrary: fc.constant(undefined) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('surprise', 'toString', 'id', 'state', 'Reason', 'reason\\u0000', '\\u202ereason'),
      },
    );
    return fc.tuple(fc.tuple(...members), extra, fc.boolean()).map(([chosen, key, first]) => {
      const texts = chosen.flatMap(([name, { text }, isThere, times]) =>
        isThere ? Array.from({ length: times }, () => `"${name}":${text}`) : [],
      );
      const surprises = key === undefined ? [] : [`"${key}":1`];
      const all = first ? [...surprises, ...texts] : [...texts, ...surprises];
      const surprise = key !== undefined && additionalProperties === false;
      return {
        text: `{${all.join(',')}}`,
        surprise: surprise || chosen.some(([, one, isThere]) => isThere && one.surprise),
      };
    });
  }

  /** What is like this, with something odd in it here and there. */
  #like(value: unknown, name = ''): Arbitrary<Text> {
    const known = KNOWN[name];
    if (typeof value !== 'object' || value === null)
      return mostly(known ? oneOf(...known) : oneOf(JSON.stringify(value)));
    const members = Object.entries(value).map(([key, member]) =>
      fc
        .tuple(
          name === 'entitlements' ? fc.constantFrom(key, key, 'a\\"b', 'pg_x', 'x;y') : fc.constant(key),
          this.#like(member, key),
        )
        .map(([its, { text }]) => `"${its}":${text}`),
    );
    return mostly(fc.tuple(...members).map((all) => plain(`{${all.join(',')}}`)));
  }
}

const PUBLIC = /^(?:GET \/(?:healthz|readyz|metrics)|POST \/v1\/(?:sign-ins|tokens)\b.*)/;

/** All that moved, and all that was said about it. */
interface Standing {
  readonly changes: number;
  readonly events: number;
}

/** One request, before it is known what is there to be asked about. */
interface Wish {
  readonly route: string;
  readonly who: (typeof CALLERS)[number];
  readonly segment: string | undefined;
  readonly pick: number;
  readonly query: string;
  readonly body: Text | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

const ODD_SEGMENTS = ['%00', '%ff', '..%2f..', '%2e%2e', "'", '*', 'x'.repeat(200), '%E2%80%AE', 'db%0a', 'DB', '-'];
const ODD_HEADERS: readonly Readonly<Record<string, string>>[] = [
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/json; charset=utf-16' },
  { 'content-type': 'application/json; charset="' },
  { 'content-type': 'multipart/form-data' },
  { 'content-type': 'application/x-www-form-urlencoded' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'br, gzip' },
  { 'content-length': '3' },
  { 'idempotency-key': 'the same' },
  { 'idempotency-key': ' ' },
  { 'x-request-id': '\u00ff\u00fe' },
  { 'x-forwarded-for': '127.0.0.1, ::1' },
  { accept: 'text/xml' },
  { 'user-agent': 'curfew-cli/\u00ff' },
];
const ODD_QUERIES = [
  'limit=1e400',
  'limit=-1',
  'limit=1&limit=2',
  'cursor=%00',
  'cursor=AAAA',
  'state=%ff',
  '__proto__=1',
  'a[b]=1',
  '?',
  '%',
];

function wishOf(document: Document): Arbitrary<Wish> {
  const bodies = new Bodies(document);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation })),
  );
  const all = operations.map(({ route, operation }): Arbitrary<Wish> => {
    const schema = operation.requestBody?.content['application/json']?.schema;
    const free = fc.oneof(fc.constant(undefined), odd);
    const queries = (operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name);
    return fc.record({
      route: fc.constant(route),
      who: fc.constantFrom(...CALLERS),
      segment: fc.oneof(
        { weight: 8, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: fc.constantFrom(...ODD_SEGMENTS) },
      ),
      pick: fc.nat({ max: 1_000 }),
      query: fc.oneof(
        { weight: 6, arbitrary: fc.constant('') },
        { weight: 1, arbitrary: fc.constantFrom(...ODD_QUERIES) },
        {
          weight: queries.length > 0 ? 3 : 0,
          arbitrary: fc
            .tuple(
              fc.constantFrom(...queries, 'limit'),
              fc.oneof(fc.string(), fc.constantFrom('pending', 'mine', '2', 'inbox')),
            )
            .map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`),
        },
      ),
      body: schema ? fc.oneof({ weight: 9, arbitrary: bodies.of(schema) }, { weight: 1, arbitrary: free }) : free,
      headers: fc.oneof(
        { weight: 8, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.constantFrom(...ODD_HEADERS) },
      ),
    });
  });
  const weights = operations.map(({ route }) => (route === 'POST /v1/requests' ? 8 : route.startsWith('GET') ? 1 : 3));
  return fc.oneof(...all.map((arbitrary, index) => ({ arbitrary, weight: weights[index] ?? 1 })));
}

describe('whatever is sent, by whomever', () => {
  let api: ApiApp;
  let wish: Arbitrary<Wish>;
  const tokens: Record<string, string> = {};
  /** What there is to ask about, oldest first; scope hashes by request. */
  const ids: Record<'requests' | 'grants', string[]> = { requests: [], grants: [] };
  const hashes = new Map<string, string>();

  beforeAll(async () => {
    api = await anApiApp({ SIGN_INS_PER_MINUTE: '10000', PICK_UPS_PER_MINUTE: '10000' });
    for (const name of CALLERS) if (name !== undefined) tokens[name] = await api.tokenOf(name);
    for (const [name, owner] of [
      ['db', 'owners'],
      ['hidden', 'nobodys'],
    ] as const) {
      const { read } = TARGET.entitlements;
      const file = { ...TARGET, name, owner: `Group::"${owner}"`, entitlements: { read, write: read } };
      const got = await api.send({
        method: 'POST',
        path: '/v1/targets',
        headers: { authorization: `Bearer ${tokens['root']}`, 'content-type': 'application/json' },
        body: JSON.stringify({ file, password: 'x' }),
      });
      if (got.status !== 201) throw new Error(got.text);
    }
    wish = wishOf(JSON.parse((await api.send({ method: 'GET', path: '/openapi.json' })).text) as Document);
  });
  afterAll(() => api?.close());

  const idOf = ({ route, pick }: Wish): string => {
    const pool = route.includes('/grants/') ? ids.grants : ids.requests;
    return pool.at(-1 - (pick % (pool.length + 1))) ?? randomUUID();
  };
  const headersOf = ({ who, headers }: Wish, body: string | undefined): Record<string, string> => ({
    ...(who && { authorization: `Bearer ${tokens[who]}` }),
    ...(body && { 'content-type': 'application/json' }),
    ...headers,
  });
  const sentFor = (one: Wish): Sent => {
    const [method = '', template = ''] = one.route.split(' ');
    const id = idOf(one);
    const name = one.pick % 3 === 0 ? 'hidden' : 'db';
    const path = template.replace('{id}', one.segment ?? id).replace('{name}', one.segment ?? name);
    const body = method === 'GET' ? undefined : one.body?.text.replace(SCOPE_HASH, hashes.get(id) ?? '0'.repeat(64));
    return {
      method,
      path: one.query === '' ? path : `${path}?${one.query}`,
      headers: headersOf(one, body),
      body,
    };
  };

  const standing = async (): Promise<Standing> => {
    const { rows } = await api.owner.query<Standing>(
      `SELECT (SELECT count(*)::int FROM audit_events) AS events, (SELECT sum(revision)::int FROM (
         SELECT revision FROM requests UNION ALL SELECT revision FROM grants UNION ALL SELECT revision FROM credentials UNION ALL
         SELECT revision FROM sign_ins UNION ALL SELECT revision FROM decisions UNION ALL SELECT revision FROM targets UNION ALL
         SELECT revision FROM policy_sets UNION ALL SELECT revision FROM strays) s) AS changes`,
    );
    return rows[0]!;
  };

  const withDeadline = async (sent: Sent): Promise<Got | undefined> => {
    const patience = AbortSignal.timeout(DEADLINE_MS);
    const over = new Promise<undefined>((done) => patience.addEventListener('abort', () => done(undefined)));
    // A length that is not the body's is answered, or hung up on.
    const hungUp = (error: Error): Got => ({ status: 400, headers: {}, text: `hung up: ${error.message}` });
    return Promise.race([api.send(sent).catch(hungUp), over]);
  };

  /** @returns whether something moved by that */
  const remember = async ({ status, text }: Got, { route, who }: Wish): Promise<boolean> => {
    // Who signed out signs in again.
    if (status < 300 && route === 'DELETE /v1/sign-ins/current' && who) {
      tokens[who] = await api.tokenOf(who);
      return true;
    }
    if (status !== 201 || route !== 'POST /v1/requests') return false;
    const made = JSON.parse(text) as { id: string; scopeHash: string; grants: { id: string }[] };
    if (!hashes.has(made.id)) ids.requests.push(made.id);
    hashes.set(made.id, made.scopeHash);
    ids.grants.push(...made.grants.map((grant) => grant.id));
    return false;
  };

  /** What is wrong with what it was answered. */
  const wrongWith = (one: Wish, got: Got | undefined): string[] => {
    if (!got) return ['no answer in time'];
    return got.status < 400 ? wronglyTaken(one) : wronglyRefused(got);
  };
  const wronglyTaken = ({ route, who, body }: Wish): string[] => [
    ...(body?.surprise && !route.startsWith('GET') ? ['took a member that nobody asked for'] : []),
    ...(who === undefined && !PUBLIC.test(route) ? ['answered somebody who did not sign in'] : []),
  ];
  const wronglyRefused = ({ status, headers, text }: Got): string[] => {
    const type = headers['content-type'] ?? 'application/problem+json';
    // The provider of this house does not exist: that is a 503, and said.
    const isAway = status === 503 && text.includes('identity.provider_unavailable');
    return [
      ...(status >= 500 && !isAway ? [`a failure of ours: ${api.logged.at(-1)?.slice(0, 1_500)}`] : []),
      ...(type.startsWith('application/problem+json') ? [] : [`no problem but ${type}`]),
    ];
  };

  const wronglyMoved = ({ route }: Wish, got: Got | undefined, before: Standing, after: Standing): string[] => {
    const [changes, events] = [after.changes - before.changes, after.events - before.events];
    const mayMove = !route.startsWith('GET') && (got?.status ?? 0) < 400;
    return [
      ...(changes === events ? [] : [`${changes} changes and ${events} events`]),
      ...(mayMove || changes === 0 ? [] : [`${changes} changes by what was refused or only read`]),
    ];
  };

  const shown = ({ who, headers }: Wish, { method, path, body }: Sent, got: Got | undefined): string =>
    `${method} ${path} as ${who}, ${JSON.stringify(headers)}: ${String(body).slice(0, 600)}\n → ${got?.status} ${got?.text.slice(0, 400)}`;

  it(
    `is answered in time, without a failure of ours, and changes nothing without an event (seed ${SEED})`,
    async () => {
      const answered = new Map<string, number>();
      let before = await standing();
      const property = fc.asyncProperty(wish, async (one) => {
        const sent = sentFor(one);
        const got = await withDeadline(sent);
        const after = await standing();
        const wrong = [...wrongWith(one, got), ...wronglyMoved(one, got, before, after)];
        expect(wrong, shown(one, sent, got)).toEqual([]);
        const key = `${one.route} ${Math.floor((got?.status ?? 0) / 100)}xx`;
        answered.set(key, (answered.get(key) ?? 0) + 1);
        before = got && (await remember(got, one)) ? await standing() : after;
      });
      await fc.assert(property, {
        seed: SEED,
        numRuns: 100_000,
        interruptAfterTimeLimit: SEARCH_MS,
        endOnFailure: true,
      });
      // It came everywhere, and things happened.
      const routes = new Set([...answered.keys()].map((key) => key.slice(0, -4)));
      expect(routes.size).toBeGreaterThan(25);
      expect(answered.get('POST /v1/requests 2xx')).toBeGreaterThan(0);
      const owner = {
        query: async (sql: string, values?: unknown[]) => (await api.owner.query(sql, values)).rows as unknown,
      };
      // The sign-ins of this test were not begun by anybody.
      expect((await broken(owner)).filter((what) => !what.endsWith('>completed'))).toEqual([]);
    },
    SEARCH_MS + 60_000,
  );

  // UAX #9: what stands between an embedding, an override or an isolate and its end is shown in another order.
  it.each(['202a', '202b', '202c', '202d', '202e', '2066', '2067', '2068', '2069', '2028', '2029'])(
    'takes no reason that an approver would read in another order or on another line than it is written (U+%s)',
    async (code) => {
      const body = {
        entitlements: ['db/read'],
        durationSeconds: 600,
        reason: `drop ${String.fromCodePoint(Number.parseInt(code, 16))}txt.gnp`,
      };
      const headers = { authorization: `Bearer ${tokens['ada']}`, 'content-type': 'application/json' };
      const sent = { method: 'POST', path: '/v1/requests', headers };
      const refused = await api.send({ ...sent, body: JSON.stringify(body) });
      expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('reason: ')]);
      // Marks that scripts from right to left are written with, and what joins an emoji, are text.
      const taken = { ...body, reason: 'שלום\u200f! \u200e(a) 👩\u200d🚒' };
      expect((await api.send({ ...sent, body: JSON.stringify(taken) })).status).toBe(201);
    },
  );
});
