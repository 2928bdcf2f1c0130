import { once } from 'node:events';
import pg from 'pg';

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** Somebody at a prompt: in, and left in. */
export class DatabaseSession {
  readonly #client: pg.Client;
  /** When the server cut the session, by this host's clock, in milliseconds; and its words. */
  readonly cut: Promise<{ readonly at: number; readonly words: string }>;

  private constructor(client: pg.Client) {
    this.#client = client;
    this.cut = once(client, 'error').then(([error]) => ({
      at: performance.timeOrigin + performance.now(),
      words: error instanceof Error ? error.message : 'cut',
    }));
    // The socket says so too, after the server's own words.
    client.on('error', () => undefined);
  }

  /** @throws when the server refuses */
  static async open(login: Login): Promise<DatabaseSession> {
    const client = new pg.Client({
      ...login,
      connectionTimeoutMillis: 5_000,
      query_timeout: 10_000,
      application_name: 'curfew-demo',
    });
    const session = new DatabaseSession(client);
    await client.connect();
    return session;
  }

  async ask(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.#client.query<Record<string, unknown>>(sql)).rows;
  }

  async leave(): Promise<void> {
    await this.#client.end();
  }
}

/** What the server says to somebody who comes with this. */
export async function tryToLogIn(login: Login): Promise<string> {
  try {
    const session = await DatabaseSession.open(login);
    session.leave().catch(() => undefined);
    return 'logged in';
  } catch (error) {
    return error instanceof Error ? error.message : 'refused';
  }
}
