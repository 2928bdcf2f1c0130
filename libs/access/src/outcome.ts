import type { Transaction } from '@app/platform';
import { AlreadyDecided } from './access.errors';
import { Request } from './request.entity';
import { requestMachine, type RequestEvent } from './request.machine';

/**
 * The whole concurrency control of a request: it is pending and its time is not over, or nothing happens.
 *
 * @throws AlreadyDecided which says what the outcome was
 */
export async function settle(tx: Transaction, id: string, event: Exclude<RequestEvent, 'lapse'>): Promise<void> {
  const [, affected] = await tx.query<[unknown[], number]>(
    `UPDATE requests SET state = $2, revision = revision + 1, decided_at = clock_timestamp()
     WHERE id = $1 AND state = 'pending' AND lapses_at > clock_timestamp()`,
    [id, requestMachine.next('pending', event)],
  );
  if (affected !== 1) throw await alreadyDecided(tx, id);
}

/** Somebody came second, or too late. */
export async function alreadyDecided(tx: Transaction, id: string): Promise<AlreadyDecided> {
  const request = await tx.findOneByOrFail(Request, { id });
  // Still pending: its time is over, and the timekeeper is about to say so.
  const state = request.state === 'pending' ? 'lapsed' : request.state;
  return new AlreadyDecided({ state, decidedAt: (request.decidedAt ?? request.lapsesAt).toISOString() });
}
