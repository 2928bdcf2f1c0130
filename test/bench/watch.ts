import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { DEMO_DATABASE } from '../../scripts/demo-target';
import { PASSWORD, type Mortal } from './population';
import type { BenchStage } from './stage';

const LOOK_MS = 3;
/** Of thousands at once: the looks themselves would take the server's time. */
const LOOK_AT_MANY_MS = 50;
const MANY = 2_000;
/** Long enough before its end that a session is there, and short enough that not too many are there at once. */
const LOGIN_BEFORE_MS = 2_500;

/** How long after its deadline, in milliseconds, … */
export interface Seen {
  /** … somebody could still log in: until `VALID UNTIL` is over, or the role cannot log in, or is gone. */
  readonly shut: number[];
  /** … the role could log in but for `VALID UNTIL`. */
  readonly closed: number[];
  /** … a session was still there. */
  readonly cut: number[];
}

/** Looks at the target from outside, as somebody would who does not believe us. */
export class Watch {
  readonly #shut: number[] = [];
  readonly #closed: number[] = [];
  readonly #cut: Promise<number | undefined>[] = [];
  readonly #over = new AbortController();
  #looking: Promise<void> = Promise.resolve();

  private constructor(private readonly grants: readonly Mortal[]) {}

  static async over(
    stage: BenchStage,
    grants: readonly Mortal[],
    { sessionEvery }: { sessionEvery: number },
  ): Promise<Watch> {
    const watch = new Watch(grants);
    const client = await stage.target.connect();
    watch.#looking = watch.#look(client).finally(() => client.release());
    for (const grant of grants.filter((_, index) => index % sessionEvery === 0))
      watch.#cut.push(watch.#session(stage, grant));
    return watch;
  }

  async end(): Promise<Seen> {
    const sessions = await Promise.all(this.#cut);
    const cut = sessions.filter((late) => late !== undefined);
    this.#over.abort();
    await this.#looking;
    if (this.#closed.length !== this.grants.length)
      throw new Error(`${this.#closed.length} of ${this.grants.length} roles were seen closed`);
    if (cut.length < sessions.length / 2)
      throw new Error(`the machine is too slow: ${cut.length} of ${sessions.length} logged in before the end`);
    return { shut: this.#shut, closed: this.#closed, cut };
  }

  async #look(client: pg.PoolClient): Promise<void> {
    const everyMs = this.grants.length > MANY ? LOOK_AT_MANY_MS : LOOK_MS;
    const [loggedIn, canLogIn] = [new Map(this.#ends()), new Map(this.#ends())];
    for (let isLast = false; canLogIn.size > 0 && !isLast;) {
      // Whoever says that it is over has seen that it is: there is one more look.
      isLast = this.#over.signal.aborted;
      const { rows } = await client.query<{ now: number; open: string[]; valid: string[] }>(
        `SELECT array_remove(array_agg(rolname::text), NULL) AS open, coalesce(array_agg(rolname::text) FILTER (WHERE rolvaliduntil > it.now), '{}') AS valid,
                extract(epoch FROM it.now)::float8 * 1000 AS now
         FROM (SELECT clock_timestamp() AS now OFFSET 0) it
         LEFT JOIN pg_authid ON rolcanlogin AND rolname LIKE 'curfew-%' GROUP BY it.now`,
      );
      const { now, open, valid } = rows[0]!;
      settle(loggedIn, now, new Set(valid), this.#shut);
      settle(canLogIn, now, new Set(open), this.#closed);
      await pause(everyMs);
    }
  }

  #ends(): [string, number][] {
    return this.grants.map(({ role, endsAt }) => [role, endsAt]);
  }

  /** Logs in shortly before the end. @returns how late it was thrown out; nothing when the end was there first */
  async #session(stage: BenchStage, { role, endsAt }: Mortal): Promise<number | undefined> {
    await pause(Math.max(0, endsAt - LOGIN_BEFORE_MS - Date.now()));
    const { host, port } = new URL(stage.service.databaseUrl);
    const client = new pg.Client({
      host: host.split(':')[0],
      port: Number(port),
      user: role,
      password: PASSWORD,
      database: DEMO_DATABASE,
    });
    const gone = new Promise<number>((resolve) => client.once('end', () => resolve(Date.now() - endsAt)));
    client.on('error', () => undefined);
    const isIn = await client.connect().then(
      () => true,
      () => false,
    );
    return isIn ? gone : undefined;
  }
}

/** Of those whose time is over, the ones that are open no more. */
function settle(waiting: Map<string, number>, now: number, open: ReadonlySet<string>, late: number[]): void {
  for (const [role, endsAt] of waiting) {
    if (endsAt > now || open.has(role)) continue;
    late.push(now - endsAt);
    waiting.delete(role);
  }
}
