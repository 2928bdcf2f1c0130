import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anApiApp, type ApiApp, type Got } from '../support/api-app';

const JSON_TYPE = { 'content-type': 'application/json' };
const ID = '3f0d7f0e-7d0f-4b5e-8a55-0b4b7f4f2c11';
/** More often than any route may be called in a minute here. */
const OFTEN = 22;

interface Reply {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, unknown>>;
}
interface Operation {
  readonly route: string;
  readonly method: string;
  readonly path: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string }[];
  readonly responses: Readonly<Record<string, Reply>>;
}
interface Document {
  readonly security: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly responses: Readonly<Record<string, Reply>> };
}

/** Bodies that are taken, of the routes that take a key and want one. */
const BODIES: Readonly<Record<string, object>> = {
  'POST /v1/requests': { entitlements: ['db/read'], durationSeconds: 600, reason: 'why' },
  'POST /v1/requests/{id}/decisions': { verdict: 'approve', scopeHash: '0'.repeat(64) },
  'POST /v1/targets': { file: {}, password: 'x' },
  'PUT /v1/targets/{name}': { file: {}, password: 'x' },
  'POST /v1/targets/{name}/strays/confirmation': { strays: [ID] },
  'POST /v1/policies/checks': { policies: [{ file: 'a.cedar', text: '' }], groups: { file: 'groups.yaml', text: '' } },
  'POST /v1/policies/explanations': { entitlement: 'db/read', durationSeconds: 600 },
};

describe('the document of the api', () => {
  let api: ApiApp;
  let document: Document;
  let operations: Operation[];
  let token: string;
  beforeAll(async () => {
    api = await anApiApp({ SIGN_INS_PER_MINUTE: '1', PICK_UPS_PER_MINUTE: '1' });
    token = await api.tokenOf('root');
    document = JSON.parse((await api.send({ method: 'GET', path: '/openapi.json' })).text) as Document;
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...operation,
        route: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path: path.replace('{id}', ID).replace('{name}', 'absent'),
      })),
    );
  });
  afterAll(() => api.close());

  const call = (
    { method, path, route }: Operation,
    more: { query?: string; token?: string; headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Got> => {
    const authorization = more.token === undefined ? {} : { authorization: `Bearer ${more.token}` };
    const body = method === 'GET' ? undefined : JSON.stringify(BODIES[route] ?? {});
    return api.send({
      method,
      path: path + (more.query ?? ''),
      headers: { ...JSON_TYPE, ...authorization, ...more.headers },
      body,
    });
  };
  /** What is not as the document has it: nothing when this status is there by name, with this type of content. */
  const unlike = ({ route, responses }: Operation, { status, headers }: Got): string[] => {
    const reply = responses[status];
    const { content = {} } = reply?.$ref === undefined ? (reply ?? {}) : document.components.responses['Problem']!;
    const type = String(headers['content-type']).split(';')[0] ?? '';
    return reply && type in content ? [] : [`${route}: ${status} ${type}`];
  };

  it('says of every route that anything else than what it names is a problem', () => {
    expect(operations.length).toBeGreaterThan(25);
    for (const { responses } of operations)
      expect(responses['default']).toEqual({ $ref: '#/components/responses/Problem' });
  });

  it('says who needs no token, and of whom one is asked', async () => {
    expect(document.security).toEqual([{ bearer: [] }]);
    for (const operation of operations) {
      const got = await call(operation, { query: '?surprise=1' });
      const isOpen = operation.security !== undefined && operation.security.length === 0;
      expect(`${operation.route}: ${got.status}`).toBe(`${operation.route}: ${isOpen ? 400 : 401}`);
      expect(unlike(operation, got)).toEqual([]);
    }
  });

  it('says which routes take an Idempotency-Key: those that know it again', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const reload = operations.find(({ route }) => route === 'POST /v1/policies/reload')!;
    expect((await call(reload, { token, headers: key })).status).toBe(200);
    for (const operation of operations.filter(({ security }) => security === undefined)) {
      // The same key for something else: whoever claims keys says so, before anything is looked for.
      const again = operation === reload ? { ...operation, path: `${operation.path}/` } : operation;
      const got = await call(again, { token, headers: key });
      const { route, parameters = [] } = operation;
      expect({ route, known: got.text.includes('http.idempotency_key_reused') }).toEqual({
        route,
        known: parameters.some(({ name }) => name === 'Idempotency-Key'),
      });
    }
  });

  it('says what health and numbers look like', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      const operation = operations.find(({ route }) => route === `GET ${path}`)!;
      const got = await call(operation);
      expect(got.status).toBe(200);
      expect(unlike(operation, got)).toEqual([]);
    }
  });

  it('says what happens when the provider of a sign-in is not there', async () => {
    const elsewhere = await anApiApp();
    const got = await elsewhere.send({ method: 'POST', path: '/v1/sign-ins', headers: JSON_TYPE, body: '{}' });
    await elsewhere.close();
    expect(got.status).toBe(503);
    expect(
      unlike(
        operations.find(({ route }) => route === 'POST /v1/sign-ins')!,
        got,
      ),
    ).toEqual([]);
  });

  // Last: whoever has asked too often is heard no more for a minute.
  it('says where too much is too much', async () => {
    for (const operation of operations) {
      const statuses = new Set<number>();
      for (let times = 0; times < OFTEN; times += 1) {
        const got = await call(operation, { query: '?surprise=1', token });
        statuses.add(got.status);
        expect(unlike(operation, got)).toEqual([]);
      }
      const { route, responses } = operation;
      expect({ route, limited: statuses.has(429) }).toEqual({ route, limited: '429' in responses });
    }
  });
});
