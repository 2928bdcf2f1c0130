import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Global, Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import pino from 'pino';
import { DataSource } from 'typeorm';
import { AuditEvent, AuditValue, Commitments, Recorder } from '@app/audit';
import { identityEntities } from '@app/identity';
import { Clock, Secret } from '@app/kernel';
import { apiEnvironment, LocalKeySealer, openDatabase, readEnvironment, Sealer } from '@app/platform';
import { inputValidation, ProblemFilter } from '@app/platform/http';
import { mountEmbeddedProvider } from '../../apps/api/src/demo/demo.module';
import { API_ENVIRONMENT } from '../../apps/api/src/environment';
import { Memberships } from '../../apps/api/src/sign-in/memberships';
import { SignInModule } from '../../apps/api/src/sign-in/sign-in.module';
import { TestClock } from './identity';
import { aDatabase, type TestDatabase } from './postgres';

export const ADA = { account: 'ada', password: 'correct horse battery' };
export const BEN = { account: 'ben', password: 'staple paperclip pin' };

export interface SignInApp {
  readonly url: string;
  readonly clock: TestClock;
  readonly database: DataSource;
  /** Everything that was logged. */
  readonly logged: string[];
  post(path: string, body: unknown, token?: string): Promise<Answer>;
  call(method: string, path: string, token?: string): Promise<Answer>;
  /** Stops the process, and leaves the database. */
  stop(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export interface SignInAppOptions {
  readonly test: TestDatabase;
  readonly environment?: Readonly<Record<string, string>>;
  readonly controllers?: readonly Type[];
  /** The same port as before, for a process that comes back. */
  readonly port?: number;
  readonly key?: Secret<Buffer>;
}

/** The sign-in of the api as a process of its own would have it, with the embedded provider unless the environment names another. */
export async function aSignInApp(options: SignInAppOptions): Promise<SignInApp> {
  const { test, controllers = [], key = new Secret(randomBytes(32)) } = options;
  const port = options.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'curfew-sign-in-'));
  const url = `http://127.0.0.1:${port}`;
  const logged: string[] = [];
  const clock = new TestClock();
  const database = await openDatabase({
    url: new Secret(test.urls.api),
    applicationName: 'test',
    entities: [...identityEntities, AuditEvent, AuditValue],
    connections: 5,
    onError: () => undefined,
  });
  const sealer = new LocalKeySealer(key);
  const environment = readEnvironment(apiEnvironment, {
    CURFEW_ENV: 'development',
    DATABASE_URL: test.urls.api,
    PUBLIC_URL: url,
    SEALING_KEY_FILE: 'not read here',
    CURFEW_DEMO: '1',
    CURFEW_DEMO_FILE: demoFile(folder),
    ...options.environment,
  });
  const world: Provider[] = [
    { provide: DataSource, useValue: database },
    { provide: Clock, useValue: clock },
    { provide: Sealer, useValue: sealer },
    { provide: Recorder, useValue: new Recorder(database, new Commitments(sealer)) },
    { provide: Memberships, useValue: { of: () => Promise.resolve(['engineers']) } satisfies Memberships },
    { provide: API_ENVIRONMENT, useValue: environment },
  ];
  let app: NestExpressApplication;
  try {
    app = await NestFactory.create<NestExpressApplication>(rootModule(world, controllers), {
      bodyParser: false,
      abortOnError: false,
      logger: nestLogger(logged),
    });
    app.useBodyParser('json', { limit: '256kb' });
    app.useGlobalPipes(inputValidation());
    app.useGlobalFilters(
      new ProblemFilter(pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })),
    );
    mountEmbeddedProvider(app);
    await app.listen(port, '127.0.0.1');
  } catch (error) {
    await database.destroy();
    throw error;
  }
  const call = async (method: string, path: string, token?: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text ? (JSON.parse(text) as Answer['body']) : {},
    };
  };
  return {
    url,
    clock,
    database,
    logged,
    post: (path, body, token) => call('POST', path, token, body),
    call: (method, path, token) => call(method, path, token),
    async stop() {
      await app.close();
      await database.destroy();
      rmSync(folder, { recursive: true });
    },
  };
}

function rootModule(world: Provider[], controllers: readonly Type[]): DynamicModule {
  @Global()
  @Module({})
  class World {}
  @Module({})
  class Root {}
  return {
    module: Root,
    imports: [
      { module: World, providers: world, exports: world.map((one) => (one as { provide: symbol }).provide) },
      SignInModule,
    ],
    controllers: [...controllers],
  };
}

function nestLogger(logged: string[]) {
  const keep = (...words: unknown[]) => void logged.push(words.map(String).join(' '));
  return { log: () => undefined, error: keep, warn: keep, fatal: keep };
}

function demoFile(folder: string): string {
  const file = join(folder, 'demo.json');
  const accounts = [
    { subject: ADA.account, name: 'Ada', email: 'ada@example.com', password: ADA.password },
    { subject: BEN.account, name: 'Ben', email: 'ben@example.com', password: BEN.password },
  ];
  writeFileSync(file, JSON.stringify({ accounts, targets: [{ file: {}, password: 'x' }] }), { mode: 0o600 });
  return file;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export { aDatabase };
