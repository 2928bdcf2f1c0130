import { In, type EntityManager } from 'typeorm';
import { failpoint } from '@app/kernel';
import { LeaseLost, Operations, type Operation } from '@app/platform';
import { Grant } from './grant.entity';
import { grantMachine } from './grant.machine';
import { endGrant } from './grants.service';
import { Warrants } from './warrants';
import { Work } from './work';

/** How many grants are judged before other work of this process has its turn. */
const BATCH = 50;

/** Said of a grant that the policies do not allow any more. */
export const NO_LONGER_ALLOWED = 'access.no_longer_allowed';

/**
 * Judges live grants again when a policy, a group or an owner has changed, and ends those that are not allowed any more. A
 * grant that is made meanwhile is judged by the same policies when it is made.
 */
export class Reevaluation {
  constructor(
    private readonly work: Work,
    private readonly warrants: Warrants,
  ) {}

  /** Whoever cannot be judged keeps nobody else waiting. @throws the first such error: it is tried again, for ever */
  async attempt(operation: Operation): Promise<void> {
    const failures: unknown[] = [];
    const ids = await this.#dependentOn(operation.subjectId);
    for (let start = 0; start < ids.length; start += BATCH) {
      await this.work.operations.renew(operation);
      await this.#judge(operation, ids.slice(start, start + BATCH), failures);
    }
    if (failures.length > 0) throw failures[0];
    await this.#conclude(operation);
    failpoint('reevaluation.committed');
  }

  /** The live grants that rest on it: on the policies, on a person, or on a target. */
  async #dependentOn(subjectId: string): Promise<string[]> {
    const rows = await this.work.database.query<{ id: string }[]>(
      `SELECT id FROM grants WHERE state = ANY($2) AND state <> 'ended' AND identity_id = $1
       UNION SELECT id FROM grants WHERE state = ANY($2) AND state <> 'ended' AND target_id = $1
       UNION SELECT id FROM grants WHERE state = ANY($2) AND state <> 'ended' AND EXISTS (SELECT FROM policy_sets WHERE id = $1)`,
      [subjectId, grantMachine.from('end')],
    );
    return rows.map((row) => row.id);
  }

  async #judge(operation: Operation, ids: readonly string[], failures: unknown[]): Promise<void> {
    try {
      for (const { id } of await this.#lapsed(ids)) await this.#end(operation, id);
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      if (ids.length === 1) failures.push(error);
      else for (const id of ids) await this.#judge(operation, [id], failures);
    }
  }

  async #lapsed(ids: readonly string[]): Promise<Grant[]> {
    const { manager } = this.work.database;
    return this.warrants.lapsed(manager, await liveOnes(manager, ids));
  }

  async #end(operation: Operation, grantId: string): Promise<void> {
    await this.work.commit(
      operation,
      async (tx) => {
        await Operations.hold(tx, operation, 'end');
        await endGrant(tx, grantId, 'policy', NO_LONGER_ALLOWED);
      },
      grantId,
    );
    failpoint('reevaluation.ended_one');
  }

  /** A person's claims count for a while: their grants are judged again when that is over. */
  async #conclude(operation: Operation): Promise<void> {
    await this.work.commit(operation, async (tx) => {
      const [lapse] = await tx.query<{ at: Date | null }[]>(
        `SELECT min(g.expires_at) AS at FROM identities i JOIN connections c ON c.id = i.connection_id
         JOIN group_members g ON g.connection = c.name AND g.subject = i.subject AND g.source = 'claim'
         WHERE i.id = $1 AND g.expires_at > clock_timestamp()`,
        [operation.subjectId],
      );
      await (lapse?.at ? Operations.rest(tx, operation, lapse.at) : Operations.finish(tx, operation));
    });
  }
}

const liveOnes = (manager: EntityManager, ids: readonly string[]): Promise<Grant[]> =>
  manager.findBy(Grant, { id: In([...ids]), state: In(grantMachine.from('end')) });
