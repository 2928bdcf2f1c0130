import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Pool } from 'pg';
import { paths, type AppName } from '../../scripts/clone';
import { DatabaseSession, type Login } from '../../scripts/demo/database-session';
import { waitFor } from '../../scripts/waiting';
import { Failpoints } from './failpoints';
import { broken, type Asked } from './oracle';
import { RunningService } from './service';

const ROOT = resolve(import.meta.dirname, '../..');
/** How long somebody goes on asking a service that does not answer. */
const PATIENCE_MS = 20_000;

export type Name = 'ada' | 'ben' | 'cleo' | 'root';

export interface Reply<T = unknown> {
  readonly status: number;
  readonly body: T;
}

export interface AskedFor {
  readonly id: string;
  readonly state: string;
  readonly scopeHash: string;
  readonly grants: readonly { readonly id: string }[];
}

export interface GrantRow {
  readonly id: string;
  readonly state: string;
  readonly endReason: string | null;
  readonly leftovers: number;
  /** How late its end was decided, in milliseconds. */
  readonly lateMs: number | null;
  /** From its deadline to its proven end, in milliseconds. */
  readonly endedMs: number | null;
}

/** A process that the starter knows nothing of. */
export interface Another {
  readonly pid: number;
  readonly address: string;
  /** With its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
}

/** All of Curfew with failpoints, its demo target, and people who do not give up when there is no answer. */
export class Trial {
  readonly failpoints = new Failpoints();
  readonly policies = mkdtempSync(join(tmpdir(), 'curfew-policies-'));
  readonly #others: ChildProcess[] = [];
  /** Curfew's own database and the target's, as their superuser. */
  database!: Pool;
  target!: Pool;
  service!: RunningService;

  static async begin(names: readonly Name[], more: NodeJS.ProcessEnv = {}): Promise<Trial> {
    const trial = new Trial();
    try {
      await trial.#begin(names, more);
    } catch (error) {
      await trial.end();
      throw error;
    }
    return trial;
  }

  async #begin(names: readonly Name[], more: NodeJS.ProcessEnv): Promise<void> {
    cpSync(join(ROOT, 'policies'), this.policies, { recursive: true });
    this.service = await RunningService.start({
      CURFEW_FAILPOINTS: this.failpoints.folder,
      POLICY_DIR: this.policies,
      STUCK_AFTER_SECONDS: '1',
      RETRY_CAP_SECONDS: '1',
      TIDY_CAP_SECONDS: '1',
      PICK_UPS_PER_MINUTE: '10000',
      SIGN_INS_PER_MINUTE: '10000',
      ...more,
    });
    const url = new URL(this.service.databaseUrl);
    this.database = opened(url.href);
    url.pathname = '/orders';
    this.target = opened(url.href);
    await Promise.all(names.map((name) => this.service.person(name)));
  }

  /** A second process of a kind, beside the one that the starter looks after. @returns its number */
  async another(name: Exclude<AppName, 'api'>, more: NodeJS.ProcessEnv = {}): Promise<number> {
    const { pid } = await this.anotherOf(name, more);
    return pid;
  }

  /** The same, of any kind, and where it answers. An api is told by `more` where people sign in. */
  async anotherOf(name: AppName, more: NodeJS.ProcessEnv = {}): Promise<Another> {
    const { clone } = this.service;
    const child = fork(paths.app(clone, name), {
      cwd: clone.root,
      env: {
        PATH: process.env['PATH'],
        CURFEW_ENV: 'development',
        CURFEW_FAILPOINTS: this.failpoints.folder,
        DATABASE_URL: this.service.urlOf(name),
        RETRY_CAP_SECONDS: '1',
        TIDY_CAP_SECONDS: '1',
        STUCK_AFTER_SECONDS: '1',
        SEALING_KEY_FILE: paths.sealingKey(clone),
        ...(name === 'worker' && { PROOF_KEY_FILE: paths.proofKey(clone) }),
        ...(name === 'api' && { PUBLIC_URL: this.service.url, POLICY_DIR: this.policies }),
        ALLOWED_TARGET_NETWORKS: '127.0.0.0/8',
        PORT: '0',
        ...more,
      },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#others.push(child);
    const [{ address }] = (await once(child, 'message')) as [{ address: string }];
    return {
      pid: child.pid!,
      address,
      ended: new Promise((tell) => child.once('exit', (code, signal) => tell(signal ?? code))),
    };
  }

  async end(): Promise<void> {
    await Promise.all([this.database?.end(), this.target?.end()].map((ended) => ended?.catch(() => undefined)));
    for (const child of this.#others) child.kill('SIGKILL');
    await this.service?.stop();
    this.failpoints.remove();
    rmSync(this.policies, { recursive: true, force: true });
  }

  /** One attempt. @throws when there is no answer */
  async send<T>(name: Name, path: string, { body, key }: { body?: unknown; key?: string } = {}): Promise<Reply<T>> {
    const response = await fetch(this.service.url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.service.accessToken(name)}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: response.status, body: (await response.json()) as T };
  }

  /** The same thing under the same key until there is an answer, as the command line does it. @throws for a refusal */
  async insist<T>(name: Name, path: string, body?: unknown): Promise<T> {
    const key = randomUUID();
    const reply = await waitFor(
      async () => {
        const sent = await this.send<T>(name, path, { body, key }).catch(() => undefined);
        // The command line takes a new token when the old one is over.
        if (sent?.status === 401) await this.service.stranger(name).attempt('grants');
        return sent !== undefined && sent.status < 500 && sent.status !== 401 ? sent : undefined;
      },
      PATIENCE_MS,
      100,
    );
    if (!reply || reply.status >= 400) throw new Error(`${path}: ${JSON.stringify(reply ?? 'no answer')}`);
    return reply.body;
  }

  ask(durationSeconds = 600): Promise<AskedFor> {
    const order = { entitlements: ['orders-db/read'], durationSeconds, reason: 'INC-4711' };
    return this.insist('ada', '/v1/requests', order);
  }

  /** @returns the grant's id */
  async approve({ id, scopeHash }: AskedFor): Promise<string> {
    const { grants } = await this.insist<AskedFor>('ben', `/v1/requests/${id}/decisions`, {
      verdict: 'approve',
      scopeHash,
    });
    return grants[0]!.id;
  }

  /** A grant in use: picked up, logged in, and with something of its own at the target. */
  async use(durationSeconds = 600): Promise<{ id: string; login: Login; session: DatabaseSession }> {
    const id = await this.approve(await this.ask(durationSeconds));
    await this.reach(id, 'active');
    const login = await this.pickUp(id);
    const session = await DatabaseSession.open(login);
    await session.ask('SELECT lo_create(0)');
    return { id, login, session };
  }

  /** Once; where the answer was lost, by a replacement. */
  async pickUp(grant: string): Promise<Login> {
    const path = `/v1/grants/${grant}/credential`;
    const reply = await waitFor(
      async () => {
        const sent = await this.send<{ fields: Record<string, string> }>('ada', path).catch(() => undefined);
        if (sent?.status === 409)
          await this.send('ada', `${path}/replacement`, { key: randomUUID() }).catch(() => undefined);
        return sent?.status === 200 ? sent.body : undefined;
      },
      PATIENCE_MS,
      200,
    );
    if (!reply) throw new Error('the credential was never handed over');
    const { host = '', port, database = '', username = '', password = '' } = reply.fields;
    return { host, port: Number(port), database, user: username, password };
  }

  /** A grant from the asking to the proof. @returns its id */
  async wholeLife(): Promise<string> {
    const id = await this.approve(await this.ask());
    await this.reach(id, 'active', 2 * PATIENCE_MS);
    await this.insist('ada', `/v1/grants/${id}/release`);
    await this.reach(id, 'ended', 2 * PATIENCE_MS);
    return id;
  }

  async look(grant: string): Promise<GrantRow> {
    const { rows } = await this.database.query<GrantRow>(
      `SELECT id, state, end_reason AS "endReason", jsonb_array_length(leftovers) AS leftovers,
              (extract(epoch FROM ending_at - ends_at) * 1000)::float8 AS "lateMs",
              (extract(epoch FROM ended_at - ends_at) * 1000)::float8 AS "endedMs" FROM grants WHERE id = $1`,
      [grant],
    );
    return rows[0]!;
  }

  /** @throws when it does not come to that in time */
  async reach(grant: string, state: string, withinMs = PATIENCE_MS): Promise<GrantRow> {
    const is = async (): Promise<GrantRow | undefined> => {
      const row = await this.look(grant).catch(() => undefined);
      return row?.state === state ? row : undefined;
    };
    const row = await waitFor(is, withinMs, 50);
    if (!row) throw new Error(`the grant is ${(await this.look(grant)).state}, and was to be ${state}`);
    return row;
  }

  /** Past the triggers and their events: a change of a time is no change of state. */
  async past(change: string, id: string | readonly string[]): Promise<void> {
    const client = await this.database.connect();
    try {
      await client.query('SET session_replication_role = replica');
      await client.query(change, [id]);
    } finally {
      client.release(true);
    }
  }

  /** The target's side of our account: whether it lets us in. */
  async letUsIn(isLetIn: boolean): Promise<void> {
    await this.target.query(`ALTER ROLE curfew_orders_admin ${isLetIn ? 'LOGIN' : 'NOLOGIN'}`);
  }

  /** What the oracle finds wrong when everything has come to rest. */
  async broken(): Promise<string[]> {
    let found: string[] = [];
    await waitFor(
      async () => {
        found = await broken(asking(this.database), { server: asking(this.target) }).catch((error: Error) => [
          error.message,
        ]);
        return found.length === 0 ? true : undefined;
      },
      5_000,
      200,
    );
    return found;
  }
}

/** It finds the server again when that was started anew. */
function opened(url: string): Pool {
  const pool = new Pool({ connectionString: url, max: 4 });
  pool.on('error', () => undefined);
  return pool;
}

const asking = (client: Pool): Asked => ({
  query: async (sql, parameters) => (await client.query(sql, parameters)).rows,
});
