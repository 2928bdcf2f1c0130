import { currentCorrelation, Operations, type OpenOperation, type Transaction } from '@app/platform';
import { NotFound, RevocationForbidden } from './access.errors';
import { grantedEntitlement } from './asked';
import type { Asker } from './facts';
import { Grant } from './grant.entity';
import { grantMachine, type EndReason } from './grant.machine';
import { Judge } from './judge';
import { sightParameters, VISIBLE_GRANT } from './sight';

/** Ending a grant before its deadline. A grant that is ending already is left as it is: its own row says why. */
export class GrantsService {
  constructor(private readonly judge: Judge) {}

  /** The holder is done. */
  async release(tx: Transaction, asker: Asker, id: string): Promise<OpenOperation | undefined> {
    if (!(await tx.existsBy(Grant, { id, identityId: asker.identityId }))) throw new NotFound('grant', { grant: id });
    return endGrant(tx, id, 'released');
  }

  /** The target's owner or an administrator takes it away. */
  async revoke(tx: Transaction, asker: Asker, id: string): Promise<OpenOperation | undefined> {
    const sight = await this.judge.sight(tx, asker);
    const [seen] = await tx.query<unknown[]>(
      `SELECT g.id FROM grants g JOIN targets t ON t.id = g.target_id WHERE ${VISIBLE_GRANT} AND g.id = $4`,
      [...sightParameters(sight), id],
    );
    if (!seen) throw new NotFound('grant', { grant: id });
    const grant = await tx.findOneByOrFail(Grant, { id });
    const verdict = await this.judge.mayRevoke(tx, asker, await grantedEntitlement(tx, grant));
    if (!verdict.allowed) throw new RevocationForbidden();
    return endGrant(tx, id, 'revoked');
  }
}

/**
 * Decides the end of a grant, and asks for the work, in one transaction. Never gated by anything.
 *
 * @returns the work to ring for, or `undefined` when its end was decided before
 */
export async function endGrant(
  tx: Transaction,
  id: string,
  reason: EndReason,
  failure: string | null = null,
): Promise<OpenOperation | undefined> {
  const [[ended]] = await tx.query<[{ targetId: string }[], number]>(
    `UPDATE grants SET state = $2, revision = revision + 1, ending_at = clock_timestamp(), end_reason = $3,
       failure = coalesce($4, failure)
     WHERE id = $1 AND state = ANY($5) RETURNING target_id AS "targetId"`,
    [id, grantMachine.next('active', 'end'), reason, failure, grantMachine.from('end')],
  );
  if (!ended) return undefined;
  const { targetId } = ended;
  return Operations.request(tx, { kind: 'end', subjectId: id, targetId, correlation: currentCorrelation() ?? id });
}
