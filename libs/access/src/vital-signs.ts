import type { DataSource } from 'typeorm';
import { grantMachine, type GrantState } from './grant.machine';

export interface Signs {
  /** How many grants are in each state; ended ones are not counted. */
  readonly grants: Readonly<Record<Exclude<GrantState, 'ended'>, number>>;
  /** Since when the oldest stuck grant is stuck; `undefined` when none is. */
  readonly stuckSince: Date | undefined;
}

/** What bears our name at the targets and belongs to no grant, and is there still. */
export interface StraySigns {
  readonly count: number;
  /** At how many targets. */
  readonly targets: number;
  /** Since when the oldest is known; `undefined` when there is none. */
  readonly since: Date | undefined;
}

/** Grants that have ended and left something at their targets: without power, and waiting for somebody to look through it. */
export interface LeftoverSigns {
  /** How many grants. */
  readonly count: number;
  /** Since when the first of them has ended; `undefined` when there is none. */
  readonly since: Date | undefined;
}

/** A deadline that is over, with the end not decided: no timekeeper has looked since. */
export interface Overdue {
  readonly since: Date;
  /** How long, on the database's clock. */
  readonly seconds: number;
}

interface Row {
  readonly state: Exclude<GrantState, 'ended'>;
  readonly count: string;
  readonly stuck_since: Date | null;
}

const LIVE = grantMachine.states.filter((state): state is Exclude<GrantState, 'ended'> => state !== 'ended');

/** How the grants are, for whoever watches over the service. */
export class VitalSigns {
  constructor(private readonly database: DataSource) {}

  async read(): Promise<Signs> {
    const rows = await this.database.query<Row[]>(
      `SELECT state, count(*) AS count, min(stuck_at) FILTER (WHERE state = 'stuck') AS stuck_since
       FROM grants WHERE state <> 'ended' GROUP BY state`,
    );
    const counts = new Map(rows.map((row) => [row.state, Number(row.count)]));
    return {
      grants: Object.fromEntries(LIVE.map((state) => [state, counts.get(state) ?? 0])) as Signs['grants'],
      stuckSince: rows.find((row) => row.stuck_since !== null)?.stuck_since ?? undefined,
    };
  }

  /** The oldest deadline of a grant that is over and has not been acted upon; `undefined` when there is none. */
  async overdue(): Promise<Overdue | undefined> {
    const [row] = await this.database.query<Overdue[]>(
      // The timekeeper's two questions.
      `SELECT due AS since, extract(epoch FROM clock_timestamp() - due)::float8 AS seconds
       FROM (SELECT least((SELECT min(ends_at) FROM grants WHERE state IN ('scheduled', 'activating', 'active')),
                          (SELECT min(activate_by) FROM grants WHERE state IN ('scheduled', 'activating'))) AS due) oldest
       WHERE due <= clock_timestamp()`,
    );
    return row;
  }

  async strays(): Promise<StraySigns> {
    const [row] = await this.database.query<{ count: number; targets: number; since: Date | null }[]>(
      `SELECT count(*)::int AS count, count(DISTINCT target_id)::int AS targets, min(found_at) AS since
       FROM strays WHERE state IN ('found', 'removing')`,
    );
    return { count: row?.count ?? 0, targets: row?.targets ?? 0, since: row?.since ?? undefined };
  }

  async leftovers(): Promise<LeftoverSigns> {
    const [row] = await this.database.query<{ count: number; since: Date | null }[]>(
      `SELECT count(*)::int AS count, min(ended_at) AS since FROM grants WHERE state = 'ended' AND leftovers <> '[]'`,
    );
    return { count: row?.count ?? 0, since: row?.since ?? undefined };
  }
}
