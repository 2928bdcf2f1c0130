import type { Retry } from '../service/shapes';
import { visible } from '../terminal/visible';

/** What the codes that a grant may carry mean, as the rest of a sentence that ends with why. */
const WORDS: Readonly<Record<string, string>> = {
  'target.no_connection': 'the target does not answer',
  'target.interrupted': 'the target broke off',
  'target.changed_meanwhile': 'something at the target was changed at that moment',
  'target.ended_meanwhile': 'the grant was ended at that moment',
  'target.too_slow': 'the target takes too long',
  'target.role_locked': 'somebody holds a lock on the role of the grant at the target',
  'target.sessions_still_live': 'sessions are still live at the target',
  'target.start_not_cut_off': 'an unfinished start of ours is still connected to the target',
  'target.login_not_tested': 'the login could not be tried at the target',
  'target.login_refused': 'the target refuses the login that was made',
  'target.asks_for_no_password': 'the target lets in whoever says a name, whatever the password',
  'target.authentication_too_weak': 'the target asks for passwords in a form that others could take',
  'target.account_refused': "the target refuses Curfew's own account",
  'target.role_renamed': 'somebody gave the role of the grant another name, and there is one under its own too',
  'target.right_missing': "Curfew's own account lacks a right at the target",
  'target.peer_not_trusted': 'the target cannot show that it is the one that is meant',
  'target.address_not_allowed': 'the address of the target is one where no target may be',
  'target.refused': 'the target refuses what its configuration asks for',
  'target.version_not_accepted': 'the version of the target is not accepted',
  'target.deadline_has_passed': 'by the clock of the target the deadline has passed',
  'target.group_role_missing': 'the group role is missing at the target',
  'target.group_role_too_powerful': 'the group role at the target may do too much',
  'access.end_not_done': 'the target shows something that has not ended',
  'access.end_not_proven': 'the target does not show that it has ended',
  'access.another_server': 'the target is not the server on which it was made or found',
  'access.scope_changed': 'the target is not configured any more as it was when this was asked',
  'access.no_longer_allowed': 'the policies do not allow it any more',
  'access.not_begun_in_time': 'it was not made in time',
  'access.leftovers_remain': 'something without power still cannot be removed',
  'access.stray_remains': 'something of it, without power, still cannot be removed',
  'sealing.broken': 'what is sealed does not open: a key file is lost, or another one',
  internal: 'something in Curfew itself went wrong; its log says what',
};

/** `the target does not answer (target.no_connection)` */
export function failureWords(code: string): string {
  const words = Object.hasOwn(WORDS, code) ? WORDS[code] : undefined;
  return words === undefined ? visible(code) : `${words} (${code})`;
}

/** `it was tried 3 times: the target does not answer (target.no_connection)`; nothing when nothing is tried again. */
export function retryWords(retry: Retry | null | undefined): string[] {
  if (!retry) return [];
  // The one that goes on is not among those that failed.
  const times = Math.max(1, retry.nextAt === null ? retry.attempts - 1 : retry.attempts);
  return [`it was tried ${times === 1 ? 'once' : `${times} times`}: ${failureWords(retry.failure)}`];
}
