import type { Context } from '../context';
import { Failure } from '../failure';
import { askFor } from '../service/resolve';
import type { Grant } from '../service/shapes';
import { clockTime, relative } from '../terminal/times';
import { failureWords } from './failure-words';
import { short } from './words';

/** How a grant came to its end, after `had already`. */
const PAST: Readonly<Record<string, string>> = {
  expired: 'expired',
  released: 'been given back',
  revoked: 'been revoked',
  policy: 'been ended by the policies',
  owner: 'been ended with its owner',
  target: 'been ended with its target',
  failed: 'failed to begin',
};

const simplePast = (participle: string): string => participle.replace(/^been /, 'was ');

/** Somebody wanted to end what had another end: it is said which. */
export function hadEnded({ api }: Context, grant: Grant, undone: string): Failure {
  const { id, entitlement, state, endReason, endingAt, endedAt, failure } = grant;
  const past = PAST[endReason ?? ''] ?? 'ended';
  const at = endingAt ?? grant.endsAt;
  const why = endReason === 'failed' && failure !== null ? `, because ${failureWords(failure)}` : '';
  const proof = state === 'ended' ? 'Its end is proven' : 'Its end is not proven yet';
  return new Failure({
    kind: 'conflict',
    code: 'cli.ended_before',
    message: `${entitlement} had already ${past} at ${clockTime(at, api.now())}; ${undone}`,
    advice: `That was ${relative(at, api.now())}${why}. ${proof}: \`curfew show ${short(id)}\`.`,
    details: { grant: { id, state, endReason, endingAt, endedAt } },
  });
}

/** Somebody wanted to use what has ended. @param grant as the service sees it, or what is known of it here */
export function hasEnded({ api }: Context, grant: Pick<Grant, 'entitlement' | 'endsAt'> & Partial<Grant>): Failure {
  const { id, entitlement, state, endReason, endingAt, endedAt, endsAt } = grant;
  const past = simplePast(PAST[endReason ?? 'expired'] ?? 'ended');
  const at = endingAt ?? (past === 'expired' ? endsAt : undefined);
  const when = at === undefined ? '' : ` at ${clockTime(at, api.now())}`;
  const isKnown = state === 'ending' || state === 'stuck';
  return new Failure({
    kind: 'conflict',
    code: 'cli.grant_ended',
    message: `the grant on ${entitlement} ${state === 'ended' ? 'has ended' : 'is over'}`,
    advice: `It ${past}${when}${isKnown ? '; its end is not proven yet' : ''}. Ask again: ${askFor(entitlement)}.`,
    ...(id !== undefined && { details: { grant: { id, state, endReason, endingAt, endedAt } } }),
  });
}
