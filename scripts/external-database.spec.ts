import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClone } from '../test/support/fake-clone';
import { urlFor } from './database';
import { startServer, stopServer, type Server } from './embedded-postgres';
import { guardFleeting, type Guardian } from './guardian';
import { waitFor } from './waiting';

/** A server that somebody else runs, with a database for Curfew in it. */
class TheirServer {
  readonly url: string;
  readonly name: string;
  readonly #folder: string;
  readonly #guardian: Guardian;

  private constructor(folder: string, server: Server) {
    this.#folder = folder;
    this.#guardian = guardFleeting(join(folder, 'postgres'), folder);
    this.url = server.url('theirs');
    this.name = `${server.host}:${server.port}/theirs`;
  }

  static async start(): Promise<TheirServer> {
    const folder = mkdtempSync(join(tmpdir(), 'their server '));
    chmodSync(folder, 0o711);
    const options = { folder: join(folder, 'postgres'), logFile: join(folder, 'log'), password: 'x', durable: false };
    const running = await startServer(options);
    const server = new TheirServer(folder, running);
    await server.does('CREATE DATABASE theirs', running.url('postgres'));
    return server;
  }

  async stop(): Promise<void> {
    await stopServer(join(this.#folder, 'postgres'));
    rmSync(this.#folder, { recursive: true, force: true });
    await this.#guardian.dismiss();
  }

  async does(sql: string, url = this.url): Promise<string[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<string[]>({ text: sql, rowMode: 'array' })).rows.flat();
    } finally {
      await client.end();
    }
  }

  /** What bears a name of the demo. */
  found(): Promise<string[]> {
    return this.does(
      `SELECT datname::text FROM pg_database WHERE datname = 'orders'
       UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE '%orders%' ORDER BY 1`,
    );
  }

  as(user: string): string {
    return urlFor(this.url, { user, password: 'x' });
  }
}

describe('npm start on a database of somebody else’s', () => {
  let theirs: TheirServer;
  let clone: FakeClone;
  beforeEach(async () => {
    theirs = await TheirServer.start();
    clone = new FakeClone();
  });
  afterEach(async () => {
    await clone.remove();
    await theirs.stop();
  });
  const withDemo = (url = theirs.url): { env: NodeJS.ProcessEnv } => ({ env: { DATABASE_URL: url, CURFEW_DEMO: '1' } });
  const startsAndStops = async (options: { env?: NodeJS.ProcessEnv }): Promise<string> => {
    const running = await clone.started(options);
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(0);
    return running.output;
  };
  const isRefused = async (options: { env: NodeJS.ProcessEnv }): Promise<string> => {
    const running = clone.run('start.ts', options);
    expect(await running.ended).toBe(1);
    expect(clone.trace).not.toContain('api ready');
    return running.output;
  };

  it('starts no server, seeds no demo and embeds no provider without being asked to', async () => {
    const output = await startsAndStops({ env: { DATABASE_URL: theirs.url, OIDC_ISSUER: 'https://id.example.com' } });
    expect(output).toContain('as DATABASE_URL says');
    expect(output).toContain('The data stay in your database');
    expect(await theirs.found()).toEqual([]);
    expect([clone.has('.curfew/postgres'), clone.has('.curfew/demo.json')]).toEqual([false, false]);
    expect(JSON.parse(clone.read('environment-api.json'))).not.toHaveProperty('CURFEW_DEMO');
  });

  it('makes the demo when it is asked to, finds it again, and makes what is missing of it', async () => {
    await startsAndStops(withDemo());
    const made = await theirs.found();
    expect(made).toContain('orders');
    await startsAndStops(withDemo());
    // As when it was interrupted between the roles and the database.
    await theirs.does('DROP DATABASE orders');
    await startsAndStops(withDemo());
    expect(await theirs.found()).toEqual(made);
  });

  it.each([
    ['a database', 'CREATE DATABASE orders', ['orders'], 'the database "orders"'],
    ['a role', 'CREATE ROLE orders_read', ['orders_read'], 'the role "orders_read"'],
    ['the account', 'CREATE ROLE curfew_orders_admin', ['curfew_orders_admin'], 'the role "curfew_orders_admin"'],
  ])('takes over nothing that is not its own: %s of the demo’s name', async (_, sql, found, words) => {
    await theirs.does(sql);
    expect(await isRefused(withDemo())).toContain(`would take over what is there already: ${words}`);
    expect(await theirs.found()).toEqual(found);
  });

  it('makes nothing of the demo before the migration has found that Curfew may be there', async () => {
    clone.write('held-migrate');
    clone.write('broken-migrate');
    const running = clone.run('start.ts', withDemo());
    expect(await waitFor(() => clone.has('migrating') || undefined, 20_000)).toBe(true);
    const seen = await waitFor(async () => ((await theirs.found()).length > 0 ? 'the demo' : undefined), 1_500, 50);
    clone.unlink('held-migrate');
    expect(seen).toBeUndefined();
    expect(await running.ended).toBe(1);
    expect(await theirs.found()).toEqual([]);
  });

  it.each([
    ['CREATEROLE', 'CREATEDB', true, 'ALTER ROLE "operator" CREATEROLE;'],
    ['CREATEDB, for the demo', 'CREATEROLE', true, 'ALTER ROLE "operator" CREATEDB;'],
    ['to own the database theirs', 'CREATEROLE CREATEDB', false, 'ALTER DATABASE "theirs" OWNER TO "operator";'],
  ])('says which right an operator lacks, and what gives it: %s', async (missing, rights, owner, remedy) => {
    await theirs.does(`CREATE ROLE operator LOGIN PASSWORD 'x' ${rights}`);
    if (owner) await theirs.does('ALTER DATABASE theirs OWNER TO operator');
    const output = await isRefused(withDemo(theirs.as('operator')));
    expect(output).toContain(`the role "operator" of DATABASE_URL lacks ${missing}\n`);
    expect(output).toContain(remedy);
    expect([await theirs.found(), existsSync(join(clone.root, 'migrating'))]).toEqual([[], false]);
    await theirs.does(remedy);
    await startsAndStops(withDemo(theirs.as('operator')));
    expect(await theirs.found()).toContain('orders');
  });

  it('keeps the keys through a reset, whatever else was there, and goes on with them', async () => {
    await startsAndStops({});
    const key = clone.read('.curfew/keys/sealing.key');
    await startsAndStops(withDemo());
    const reset = clone.run('reset.ts');
    expect(await reset.ended).toBe(0);
    expect(reset.output).toContain(`with them is sealed what lies in ${theirs.name}.`);
    expect(readdirSync(clone.home)).toEqual(['keys']);
    await startsAndStops(withDemo());
    expect(clone.read('.curfew/keys/sealing.key')).toBe(key);
  });
});
