import type { EntityManager } from 'typeorm';
import { currentCorrelation, Operations, type Transaction } from '@app/platform';
import { objectName } from '@app/providers';
import { NotFound } from './access.errors';
import { administeredTarget } from './administered';
import type { Asker } from './facts';
import { Judge } from './judge';
import type { StrayState } from './stray.machine';

/** How many are shown: those that are there still, and the newest of the others. */
const SHOWN = 200;

export interface StrayView {
  readonly id: string;
  /** What it is called at the target. */
  readonly name: string;
  /** The grant whose name it bears; there may be none. */
  readonly grantId: string;
  readonly state: StrayState;
  readonly foundAt: Date;
  readonly removeAt: Date;
  readonly removedAt: Date | null;
  readonly clearedAt: Date | null;
  /** The code of what keeps it from being removed. */
  readonly failure: string | null;
  readonly evidence: Readonly<Record<string, unknown>> | null;
}

export interface Strays {
  /** When somebody last looked; nothing found before that says nothing. */
  readonly surveyedAt: Date | null;
  readonly items: readonly StrayView[];
}

/** What bears our name at a target and belongs to no grant: for its owners and for administrators. */
export class StraysService {
  constructor(private readonly judge: Judge) {}

  /** @throws NotFound, TargetNotYours */
  async list(manager: EntityManager, asker: Asker, name: string): Promise<Strays> {
    const target = await administeredTarget(this.judge, manager, asker, name);
    const rows = await manager.query<(Omit<StrayView, 'name'> & { installation: string })[]>(
      `SELECT (SELECT left(id::text, 8) FROM installation) AS installation, s.id, s.grant_id AS "grantId", s.state, s.found_at AS "foundAt", s.remove_at AS "removeAt", s.removed_at AS "removedAt",
              s.cleared_at AS "clearedAt", o.last_error AS failure, s.evidence
       FROM (SELECT * FROM strays WHERE target_id = $1 AND state IN ('found', 'removing')
             UNION ALL (SELECT * FROM strays WHERE target_id = $1 AND state NOT IN ('found', 'removing')
                        ORDER BY found_at DESC, id DESC LIMIT ${SHOWN})) s
       LEFT JOIN operations o ON o.subject_id = s.id AND o.finished_at IS NULL
       ORDER BY s.state NOT IN ('found', 'removing'), s.found_at DESC, s.id DESC LIMIT ${SHOWN}`,
      [target.id],
    );
    const items = rows.map(({ installation, ...row }) => ({
      ...row,
      name: objectName({ installation, grantId: row.grantId }),
    }));
    return { surveyedAt: target.surveyedAt, items };
  }

  /**
   * Lets those be removed now. Those that are on their way, or gone, are left as they are.
   *
   * @throws NotFound when one is not this target's: then none is removed
   */
  async confirm(tx: Transaction, asker: Asker, name: string, ids: readonly string[]): Promise<void> {
    const target = await administeredTarget(this.judge, tx, asker, name);
    const known = await tx.query<{ id: string }[]>(
      'SELECT id FROM strays WHERE target_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE',
      [target.id, ids],
    );
    const strange = ids.find((id) => !known.some((row) => row.id === id.toLowerCase()));
    if (strange !== undefined) throw new NotFound('stray', { stray: strange });
    const [confirmed] = await tx.query<[{ id: string }[], number]>(
      `UPDATE strays SET state = 'removing', revision = revision + 1, removing_at = clock_timestamp()
       WHERE target_id = $1 AND id = ANY($2) AND state = 'found' RETURNING id`,
      [target.id, ids],
    );
    const correlation = currentCorrelation() ?? target.id;
    for (const { id } of confirmed) {
      await Operations.request(tx, { kind: 'remove', subjectId: id, targetId: target.id, correlation });
    }
  }
}
