import { formatDuration } from '@app/kernel';
import type { AccessRequest, Approval, EndingTraits, Grant, Path } from '../service/shapes';
import type { Cell } from '../terminal/table';
import { clockTime, relative, spanOf } from '../terminal/times';
import { visible, visibleLines } from '../terminal/visible';

/** The beginning of an id, as lists show it and commands take it. */
export const short = (id: string): string => id.slice(0, 8);

/** How access ends: what an approver must know before, and nobody should have to look up. */
export function endingWords({ enforcedBy, endsLiveSessions, outlivesBySeconds }: EndingTraits): string[] {
  const by = {
    target: 'At the deadline, by the target itself',
    curfew: 'Ends only while Curfew runs: the target cannot end it by itself',
    both: 'At the deadline, by the target itself and by Curfew',
  }[enforcedBy];
  return [
    by,
    endsLiveSessions ? 'Open sessions are cut' : 'Open sessions go on: they are not cut',
    ...(outlivesBySeconds > 0 ? [`What was issued may outlive the end by ${spanOf(outlivesBySeconds * 1_000)}`] : []),
  ];
}

export const approvalWords = (approval: Approval): string =>
  approval === 'none' ? 'nobody: at once' : `${approval.count} of ${approval.group}`;

/** `1 of orders-owners (ben)` */
export function approverWords({ approval, approvers }: Path): string {
  const known = approvers?.known;
  return approvalWords(approval) + (known && known.length > 0 ? ` (${known.join(', ')})` : '');
}

/** Seconds as people write them: `30m`, or `1h 30m` where no unit divides them. */
export function durationWords(seconds: number): string {
  const exact = formatDuration(seconds);
  return exact.length <= 4 ? exact : spanOf(seconds * 1_000);
}

export function requestStateCell({ state }: AccessRequest): Cell {
  const colour = ({ pending: 'yellow', approved: 'green', denied: 'red', withdrawn: 'dim', lapsed: 'dim' } as const)[
    state
  ];
  return { text: state, colour };
}

const GRANT_COLOURS = {
  scheduled: 'yellow',
  activating: 'yellow',
  active: 'green',
  ending: 'yellow',
  stuck: 'red',
  ended: 'dim',
} as const;

/** One that has ended and left something waits for somebody to look through it. */
export const grantStateCell = ({ state, leftovers }: Grant): Cell =>
  state === 'ended' && leftovers.length > 0
    ? { text: 'ended, left something', colour: 'yellow' }
    : { text: state, colour: GRANT_COLOURS[state] };

/** When it ends, ended, or should have: the one time that counts in a list. */
export function endWords(grant: Grant, now: number): string {
  return END_WORDS[grant.state](grant, now);
}

const beginning = ({ activateBy }: Grant, now: number): string => `begins by ${clockTime(activateBy, now)}`;

const because = ({ endReason }: Grant, what: string): string => (endReason === null ? what : `${endReason}, ${what}`);

const END_WORDS: Readonly<Record<Grant['state'], (grant: Grant, now: number) => string>> = {
  scheduled: beginning,
  activating: beginning,
  active: ({ endsAt }, now) => (isPast(endsAt, now) ? 'due now' : `ends ${relative(endsAt, now)}`),
  ending: (grant, now) => because(grant, relative(grant.endingAt ?? grant.endsAt, now)),
  stuck: (grant, now) => because(grant, `not proven; stuck since ${relative(grant.stuckAt ?? grant.endsAt, now)}`),
  ended: (grant, now) => because(grant, relative(grant.endedAt ?? grant.endsAt, now)),
};

const isPast = (instant: string, now: number): boolean => Date.parse(instant) <= now;

/** Who decided about a request, and who still may. */
export function decisionWords(request: AccessRequest): string[] {
  const made = request.decisions.map(
    ({ by, verdict }) => `${verdictWord(verdict)} by ${by === null ? 'the policies' : visible(by.name)}`,
  );
  if (request.state !== 'pending') return made;
  const open = request.paths.flatMap(({ approvalsNeeded, approverGroup, entitlement, policy }) =>
    approverGroup === null ? [] : [visible(`${approvalsNeeded} of ${approverGroup} for ${entitlement} (${policy})`)],
  );
  return [...made, ...open];
}

/** `approve` and `approved` read the same. */
export const verdictWord = (verdict: string): string =>
  ({ approve: 'approved', deny: 'denied' })[verdict] ?? visible(verdict);

/** What was asked for, as it was written. The service says no more of one that it cannot show. */
export const reasonWords = (reason: string | null): string | readonly string[] =>
  reason === null
    ? '(cannot be shown: it was erased, or the key that it was sealed under is lost)'
    : visibleLines(reason);
