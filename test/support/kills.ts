import { createHash, randomInt } from 'node:crypto';
import type { AppName } from '../../scripts/clone';
import type { LifeName } from './lives';

/** A process that dies at a failpoint in the middle of something. */
export interface Kill {
  readonly who: AppName;
  readonly at: string;
  readonly during: LifeName;
}

const of = (who: AppName, during: LifeName, ...points: readonly string[]): Kill[] =>
  points.map((at) => ({ who, at, during }));

/** Until it is in somebody's hands. */
export const BEGINNINGS: readonly Kill[] = [
  ...of('api', 'ask', 'write.written', 'write.committed', 'write.rung'),
  ...of('api', 'begin', 'write.written', 'write.committed', 'write.rung'),
  ...of('worker', 'begin', 'operation.claimed', 'activation.begun', 'postgres.role_made', 'postgres.role_committed'),
  ...of('worker', 'begin', 'activation.issued', 'activation.written', 'activation.committed'),
  ...of('worker', 'give up', 'activation.given_up'),
  ...of('api', 'pick up', 'pick_up.taken', 'write.written', 'write.committed'),
  ...of('api', 'replace', 'write.committed'),
  ...of('worker', 'replace', 'postgres.role_made', 'postgres.role_committed'),
  ...of('worker', 'replace', 'replacement.issued', 'replacement.written', 'replacement.committed'),
  ...of('api', 'start', 'start.policies_applied'),
];

/** From the decision that it ends to the proof, and whatever else is over at some time. */
export const ENDINGS: readonly Kill[] = [
  ...of('api', 'release', 'write.written', 'write.committed', 'write.rung'),
  ...of(
    'worker',
    'release',
    'operation.claimed',
    'ending.withdrawn',
    'postgres.login_closed',
    'postgres.sessions_ended',
  ),
  ...of('worker', 'release', 'postgres.memberships_revoked', 'postgres.objects_given_away', 'postgres.objects_tidied'),
  ...of('worker', 'release', 'postgres.role_dropping', 'postgres.role_dropped', 'ending.ended'),
  ...of('worker', 'release', 'postgres.catalogue_read', 'ending.proven', 'ending.written', 'ending.committed'),
  ...of('api', 'revoke', 'write.committed'),
  ...of('timekeeper', 'expire', 'deadlines.expired', 'deadlines.rung'),
  ...of('worker', 'expire', 'ending.ended'),
  ...of('worker', 'end together', 'mass_ending.taken', 'mass_ending.withdrawn', 'postgres.many_closed'),
  ...of('worker', 'end together', 'postgres.many_sessions_ended', 'postgres.many_dropped', 'mass_ending.ended'),
  ...of('worker', 'end together', 'mass_ending.proven', 'mass_ending.committed'),
  ...of('worker', 'end at a target that is away', 'operation.failed', 'operation.postponed', 'ending.stalled'),
  ...of('worker', 'tidy', 'tidying.ended', 'tidying.committed'),
  ...of('worker', 're-evaluate', 'reevaluation.ended_one', 'reevaluation.committed'),
  ...of('worker', 'find a stray', 'survey.reported'),
  ...of('worker', 'remove a stray', 'removal.begun', 'removal.ended', 'removal.written', 'removal.committed'),
  ...of('timekeeper', 'be too late to begin', 'deadlines.given_up'),
  ...of('timekeeper', 'a request lapses', 'deadlines.requests_lapsed'),
  ...of('timekeeper', 'a sign-in lapses', 'deadlines.sign_ins_lapsed'),
  ...of('timekeeper', 'a sign-in ends', 'deadlines.sign_ins_ended'),
];

const SAMPLE = 2;

export interface Sample<T> {
  readonly chosen: readonly T[];
  /** For the name of the suite: how to have the same again. */
  readonly words: string;
}

/** All of them where `CURFEW_FAULTS` says `all`, as `npm run test:faults` does; otherwise a few, chosen by `CURFEW_FAULTS_SEED`. */
export function sampled<T>(all: readonly T[], size = SAMPLE): Sample<T> {
  const { CURFEW_FAULTS: faults, CURFEW_FAULTS_SEED: given } = process.env;
  if (faults === 'all') return { chosen: all, words: 'all of them' };
  const seed = given ?? String(randomInt(1_000_000));
  const rank = (each: T): string =>
    createHash('sha256')
      .update(`${seed} ${JSON.stringify(each)}`)
      .digest('hex');
  const chosen = all.toSorted((a, b) => rank(a).localeCompare(rank(b))).slice(0, size);
  return { chosen, words: `${size} of ${all.length}: CURFEW_FAULTS_SEED=${seed}` };
}
