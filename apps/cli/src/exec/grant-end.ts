import { ProblemReply } from '../failure';
import { sleep } from '../sleep';
import { isOver, type Grant } from '../service/shapes';

const TICK_MS = 1_000;
const POLL_MS = 2_000;

export interface GrantEndWatch {
  /** The grant as the service sees it now. */
  readonly look: (signal: AbortSignal) => Promise<Grant>;
  /** What has certainly passed at the service, in milliseconds since the epoch: nobody is ended early. */
  readonly now: () => number;
  readonly endsAt: string;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the grant has ended, with the reason: at its deadline, whether the service answers or not, and before it
 * when the service says so.
 */
export async function grantEnd(watch: GrantEndWatch): Promise<string> {
  const deadline = { at: Date.parse(watch.endsAt) };
  return Promise.race([atDeadline(watch, deadline), endedEarly(watch, deadline)]);
}

async function atDeadline({ now, signal }: GrantEndWatch, deadline: { readonly at: number }): Promise<string> {
  for (;;) {
    const left = deadline.at - now();
    if (left <= 0) return 'expired';
    await sleep(Math.min(left, TICK_MS), signal);
  }
}

async function endedEarly({ look, signal }: GrantEndWatch, deadline: { at: number }): Promise<string> {
  for (;;) {
    await sleep(POLL_MS, signal);
    const seen = await lookOnce(look, signal);
    if (typeof seen === 'string') return seen;
    // It may have been extended.
    if (seen) deadline.at = Date.parse(seen.endsAt);
  }
}

/** Why it has ended, or the grant as it goes on; `undefined` when the service does not say. */
export async function lookOnce(look: GrantEndWatch['look'], signal: AbortSignal): Promise<string | Grant | undefined> {
  try {
    const grant = await look(signal);
    return isOver(grant.state) ? (grant.endReason ?? 'ended') : grant;
  } catch (error) {
    // What cannot be seen any more has ended. Anything else says nothing: the deadline counts.
    return error instanceof ProblemReply && error.kind === 'not_found' ? 'ended' : undefined;
  }
}
