import pg from 'pg';
import { randomUUID } from 'node:crypto';
import type { Credential, EntitlementConfig, GrantRef, Issued, IssueOrder, Proof } from '@app/providers';
import { objectName, PostgresProvider } from '@app/providers';
import type { Secret } from '@app/kernel';
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
