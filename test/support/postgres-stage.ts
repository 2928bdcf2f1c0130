import pg from 'pg';
import { randomUUID } from 'node:crypto';
import type { Credential, EntitlementConfig, GrantRef, Issued, IssueOrder, Proof } from '@app/providers';
import { objectName, PostgresProvider } from '@app/providers';
import type { Secret } from '@app/kernel';
import { waitFor } from '../../scripts/waiting';
import { anOrder, aPostgresTarget, ON_LOOPBACK, type PostgresTarget } from './postgres-target';
import type { TargetServer } from './target-server';

const quoted = pg.escapeIdentifier;

/** A grant in use. */
export interface Begun extends Issued {
  readonly order: IssueOrder;
  readonly grant: GrantRef;
  /** The role's name, quoted. */
  readonly role: string;
  readonly session: pg.Client;
}

/** Somebody else, with a right to enter the database and no others. */
export interface Stranger {
  /** Quoted. */
  readonly name: string;
  /** Logs in and asks. @returns all values of all rows */
  ask(sql: string, database?: string): Promise<unknown[]>;
}

const HIDDEN = `SELECT l.pid FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'object' AND l.mode = 'RowExclusiveLock' AND a.usesysid IS NULL`;

export interface Hidden {
  readonly client: pg.Client;
  /** Settles when it is in, or was refused. */
  readonly entered: Promise<unknown>;
  isHidden(): Promise<boolean>;
}

/** A target, and what happens on it in a test. */
export class Stage {
  readonly provider = new PostgresProvider(ON_LOOPBACK);

  private constructor(
    readonly server: TargetServer,
    readonly target: PostgresTarget,
  ) {}

  static async on(server: TargetServer, options: { prefix?: string } = {}): Promise<Stage> {
    return new Stage(server, await aPostgresTarget(server, options));
  }

  async begin(entitlement: EntitlementConfig = this.target.make): Promise<Begun> {
    const order = anOrder(entitlement);
    const issued = await this.provider.issue(this.target.access, order);
    const role = quoted(objectName(order.grant));
    return { ...issued, order, grant: order.grant, role, session: await this.target.use(issued.credential) };
  }

  end(grant: GrantRef): ReturnType<PostgresProvider['end']> {
    return this.provider.end(this.target.access, grant);
  }

  prove(grant: GrantRef, copy?: Secret<Credential>): Promise<Proof> {
    return this.provider.prove(this.target.access, grant, copy);
  }

  async verdict(grant: GrantRef, copy?: Secret<Credential>): Promise<Proof['verdict']> {
    return (await this.prove(grant, copy)).verdict;
  }

  async roleExists(grant: GrantRef): Promise<boolean> {
    const rows = await this.target.sql(`SELECT FROM pg_roles WHERE rolname = '${objectName(grant)}'`);
    return rows.length > 0;
  }

  async countOf(table: string): Promise<number | undefined> {
    const [row] = await this.target.sql<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`);
    return row?.n;
  }

  /** Logs in, and stays between the last check of the login and the moment in which the server shows whose session it is. */
  async hide(credential: Secret<Credential>, seconds: number): Promise<Hidden> {
    const { username = '', password = '', database } = credential.reveal().fields;
    const client = new pg.Client({
      host: this.server.host,
      port: this.server.port,
      user: username,
      password,
      ...(database !== undefined && { database }),
      options: `-c post_auth_delay=${seconds}`,
    });
    client.on('error', () => undefined);
    const entered = client.connect().catch(() => undefined);
    const isHidden = async (): Promise<boolean> => (await this.target.sql(HIDDEN)).length > 0;
    if (!(await waitFor(async () => (await isHidden()) || undefined, 10_000))) throw new Error('nobody hides');
    return { client, entered, isHidden };
  }

  async aStranger(): Promise<Stranger> {
    const user = `stranger_${randomUUID()}`;
    await this.target.sql(
      `CREATE ROLE ${quoted(user)} LOGIN PASSWORD 'stranger'`,
      `GRANT CONNECT ON DATABASE ${quoted(this.target.database)} TO ${quoted(user)}`,
    );
    const ask = async (text: string, database = this.target.database): Promise<unknown[]> => {
      const client = await this.server.connect(database, { user, password: 'stranger' });
      try {
        return (await client.query({ text, rowMode: 'array' })).rows.flat();
      } finally {
        await client.end();
      }
    };
    return { name: quoted(user), ask };
  }
}

/** A client that was cut says nothing. */
export const leave = (...sessions: pg.Client[]): Promise<unknown> =>
  Promise.allSettled(sessions.map((session) => session.end()));
