import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as send, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import pg from 'pg';
import pino from 'pino';
import { DataSource } from 'typeorm';
import { AccessTokens } from '@app/identity';
import { apiEnvironment, readEnvironment } from '@app/platform';
import { createEdge } from '@app/platform/http';
import { appModule } from '../../apps/api/src/app.module';
import { serveOpenApi } from '../../apps/api/src/openapi';
import { HOUSE_POLICIES } from './house';
import { aDatabase, type TestDatabase } from './postgres';

export interface Sent {
  readonly method: string;
  /** As it goes over the wire: not mended. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | undefined;
}

export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** The whole api in this process, on a database of its own. */
export interface ApiApp {
  readonly app: NestExpressApplication;
  readonly test: TestDatabase;
  readonly owner: pg.Pool;
  readonly database: DataSource;
  readonly logged: string[];
  send(sent: Sent): Promise<Got>;
  /** An access token of somebody in the connection `test`. */
  tokenOf(subject: string): Promise<string>;
  close(): Promise<void>;
}

/** @param more variables of its environment */
export async function anApiApp(more: NodeJS.ProcessEnv = {}): Promise<ApiApp> {
  const test = await aDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'curfew-api-'));
  const policies = join(folder, 'policies');
  mkdirSync(policies);
  for (const { file, text } of [...HOUSE_POLICIES.policies, HOUSE_POLICIES.groups])
    writeFileSync(join(policies, file), text);
  const key = join(folder, 'sealing.key');
  writeFileSync(key, randomBytes(32).toString('base64'), { mode: 0o600 });
  const environment = readEnvironment(apiEnvironment, {
    CURFEW_ENV: 'development',
    DATABASE_URL: test.urls.api,
    PUBLIC_URL: 'http://127.0.0.1:1',
    SEALING_KEY_FILE: key,
    POLICY_DIR: policies,
    OIDC_ISSUER: 'https://id.invalid',
    OIDC_CONNECTION: 'test',
    ...more,
  });
  const logged: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) });
  const app = await createEdge({
    module: appModule(environment),
    log,
    trustedProxies: environment.TRUSTED_PROXIES ?? [],
    prepare: (edge) => void serveOpenApi(edge),
  });
  await app.listen(0, '127.0.0.1');
  const address = app.getHttpServer().address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const owner = new pg.Pool({ connectionString: test.urls.owner, max: 4 });
  return {
    app,
    test,
    owner,
    database: app.get(DataSource),
    logged,
    send: (sent) => exchange(port, sent),
    tokenOf: async (subject) => tokenFor(owner, app.get(AccessTokens, { strict: false }), subject),
    async close() {
      // Whatever a test has sent half: nobody waits for the rest.
      app.getHttpServer().closeAllConnections();
      await app.close();
      await owner.end();
      await test.drop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** One request, byte for byte as it is given. */
function exchange(port: number, { method, path, headers = {}, body }: Sent): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const outgoing = send(
    { host: '127.0.0.1', port, method, path, agent: false, headers: { ...length, ...headers } },
    (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => void chunks.push(chunk));
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    },
  );
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

async function tokenFor(owner: pg.Pool, tokens: AccessTokens, subject: string): Promise<string> {
  const { rows } = await owner.query<{ identityId: string; signInId: string; signedInAt: Date }>(
    `WITH settings AS MATERIALIZED (SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true)),
     person AS (
       INSERT INTO identities (kind, connection_id, subject, name) SELECT 'human', c.id, $1, $1 FROM connections c, settings WHERE c.name = 'test'
       ON CONFLICT (connection_id, subject) DO UPDATE SET name = excluded.name RETURNING id, connection_id)
     INSERT INTO sign_ins (connection_id, handle_hash, poll_interval_seconds, next_poll_at, max_age_seconds, lapses_at, state, identity_id, signed_in_at, ends_at)
     SELECT connection_id, sha256($2::text::bytea), 5, clock_timestamp(), 60, clock_timestamp(), 'completed', id, clock_timestamp(), clock_timestamp() + interval '1 hour' FROM person
     RETURNING identity_id AS "identityId", id AS "signInId", signed_in_at AS "signedInAt"`,
    [subject, randomUUID()],
  );
  return (await tokens.issue(rows[0]!)).reveal();
}
