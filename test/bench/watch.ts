import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { DEMO_DATABASE } from '../../scripts/demo-target';
import { PASSWORD, type Mortal } from './population';
import type { BenchStage } from './stage';

const LOOK_MS = 3;
/** Long enough before its end that a session is there, and short enough that not too many are there at once. */
const LOGIN_BEFORE_MS = 1_500;

/** How long after its deadline each role could still be logged in with, and each session was still there, in milliseconds. */
export interface Seen {
  readonly shut: number[];
  readonly cut: number[];
}

/** Looks at the target from outside, as somebody would who does not believe us. */
export class Watch {
  readonly #shut = new Map<string, number>();
  readonly #cut: Promise<number>[] = [];
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
    const cut = await Promise.all(this.#cut);
    this.#over.abort();
    await this.#looking;
    if (this.#shut.size !== this.grants.length)
      throw new Error(`${this.#shut.size} of ${this.grants.length} roles were seen shut`);
    return { shut: [...this.#shut.values()], cut };
  }

  /** `VALID UNTIL` keeps new logins out at the deadline: what is measured is when the role cannot log in whatever it says. */
  async #look(client: pg.PoolClient): Promise<void> {
    const waiting = new Map(this.grants.map((grant) => [grant.role, grant.endsAt]));
    while (waiting.size > 0 && !this.#over.signal.aborted) {
      const { rows } = await client.query<{ now: number; open: string[] }>(
        `SELECT ARRAY(SELECT rolname::text FROM pg_authid WHERE rolcanlogin AND rolvaliduntil <= clock_timestamp()) AS open,
                extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`,
      );
      const { now, open } = rows[0]!;
      const still = new Set(open);
      for (const [role, endsAt] of waiting) {
        if (endsAt > now - LOOK_MS || still.has(role)) continue;
        this.#shut.set(role, now - endsAt);
        waiting.delete(role);
      }
      await pause(LOOK_MS);
    }
  }

  /** Logs in shortly before the end. @returns how late it was thrown out */
  async #session(stage: BenchStage, { role, endsAt }: Mortal): Promise<number> {
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
    await client.connect();
    return gone;
  }
}
