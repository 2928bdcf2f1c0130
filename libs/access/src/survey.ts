import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { Recorder } from '@app/audit';
import { failpoint } from '@app/kernel';
import { Operations, type Transaction } from '@app/platform';
import type { Listed } from '@app/providers';
import type { Reach } from './work';

/** How many targets one process looks at at once: one that does not answer keeps no other waiting. */
const AT_ONCE = 4;

/** What a look at one target came to. */
export interface Surveyed {
  /** The target's name. */
  readonly target: string;
  /** How many strays were found that were not known. */
  readonly found: number;
}

interface DueTarget {
  readonly id: string;
  readonly name: string;
  /** The database's time before the target is asked. */
  readonly asked_at: Date;
}

/**
 * Looks at what bears our name at the targets, and reports what no grant answers for. It removes nothing: what it finds is a
 * row, with the work that will remove it in ten minutes.
 */
export class Survey {
  readonly #recorder: Recorder;

  /** @param everySeconds how long a target is left alone between two looks */
  constructor(
    private readonly database: DataSource,
    private readonly reach: Reach,
    private readonly everySeconds: number,
    private readonly onError: (error: unknown, target: string) => void,
  ) {
    this.#recorder = new Recorder(database);
  }

  /** Looks at the targets at which nobody has for a while. One that does not answer is asked again next time. */
  async run(): Promise<Surveyed[]> {
    const due = await this.#take();
    const looked = await Promise.all(due.map((target) => this.#look(target)));
    return looked.filter((each) => each !== undefined);
  }

  /** Whoever takes a target has it to itself until the next time: of two that look at once, one would look for nothing. */
  async #take(): Promise<DueTarget[]> {
    const [rows] = await this.database.query<[DueTarget[], number]>(
      `UPDATE targets SET survey_after = clock_timestamp() + make_interval(secs => $1)
       WHERE id = ANY(ARRAY(SELECT id FROM targets WHERE survey_after <= (SELECT clock_timestamp())
                            ORDER BY survey_after LIMIT ${AT_ONCE} FOR NO KEY UPDATE SKIP LOCKED))
       RETURNING id, name, clock_timestamp() AS asked_at`,
      [this.everySeconds],
    );
    return rows;
  }

  async #look(target: DueTarget): Promise<Surveyed | undefined> {
    try {
      const { provider, access } = await this.reach.connected(target.id);
      // First the target, then the rows: a row is committed before its target is touched, so what is seen there and has none is nobody's.
      const listed = await provider.list(access, await this.reach.installation());
      const act = { actor: 'worker', channel: 'worker', correlation: randomUUID() };
      const found = await this.#recorder.run(act, (tx) => report(tx, target, listed, act.correlation));
      failpoint('survey.reported');
      return { target: target.name, found };
    } catch (error) {
      this.onError(error, target.name);
      return undefined;
    }
  }
}

/** @returns how many were not known */
async function report(
  tx: Transaction,
  { id: targetId, asked_at: askedAt }: DueTarget,
  listed: Listed,
  correlation: string,
): Promise<number> {
  // A grant that ended while the target was asked was there when it was asked. What an ended one left behind has its own work.
  const found = await tx.query<{ id: string; at: Date }[]>(
    `INSERT INTO strays (target_id, grant_id, found_on)
     SELECT $1, it.id, $4 FROM unnest($2::uuid[]) AS it (id)
     WHERE NOT EXISTS (SELECT FROM grants g WHERE g.id = it.id
       AND (g.state <> 'ended' OR g.leftovers <> '[]' OR g.ended_at >= $3::timestamptz - interval '1 second'))
     ON CONFLICT (target_id, grant_id, found_on) WHERE state IN ('found', 'removing') DO NOTHING
     RETURNING id, remove_at AS at`,
    [targetId, listed.grants, askedAt, listed.server],
  );
  for (const { id, at } of found) {
    await Operations.requestAt(tx, { kind: 'remove', subjectId: id, targetId, correlation, at });
  }
  await clearGone(tx, { targetId, askedAt, listed });
  await tx.query('UPDATE targets SET surveyed_at = $2 WHERE id = $1', [targetId, askedAt]);
  return found.length;
}

/** What was found before and is not there any more: somebody else has removed it. On another server it never was. */
async function clearGone(
  tx: Transaction,
  { targetId, askedAt, listed }: { targetId: string; askedAt: Date; listed: Listed },
): Promise<void> {
  const [gone] = await tx.query<[{ id: string }[], number]>(
    `UPDATE strays SET state = 'cleared', revision = revision + 1, cleared_at = clock_timestamp()
     WHERE target_id = $1 AND state = 'found' AND found_at < $3 AND grant_id <> ALL($2::uuid[])
       AND (found_on IS NULL OR found_on = coalesce($4, found_on)) RETURNING id`,
    [targetId, listed.grants, askedAt, listed.server],
  );
  for (const { id } of gone) await Operations.withdraw(tx, id);
}
