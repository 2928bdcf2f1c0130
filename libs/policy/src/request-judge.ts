import { formatDuration } from '@app/kernel';
import { forbidsToApprove, membersOf, mightApprove, personIn, type Approvers } from './approvers';
import type { CedarAnswer, CedarRequest } from './cedar';
import { toCedarRequest } from './entities';
import type { RequestContext, RequestFacts } from './facts';
import type { GroupsFile } from './groups';
import type { RequestTerms, Rule } from './rule';
import { eachPerson } from './same-people';
import { maxSignInAge } from './sign-in-age';
import type { Situation } from './situation';
import { matches } from './truth';
import type { Refusal, RefusalCode, RequestPath, RequestVerdict } from './verdict';

type RequestRule = Rule & { readonly terms: RequestTerms };

export interface Rulebook {
  readonly groups: GroupsFile;
  /** In the order of the files. */
  readonly rules: readonly Rule[];
  judge(request: CedarRequest): CedarAnswer;
}

/** May they ask, and on which paths? With the reason and a way out when not. */
export function judgeRequest(book: Rulebook, facts: RequestFacts): RequestVerdict {
  const verdict = judgeAsAsked(book, facts);
  if (verdict.allowed || !FACTS_MATTER.has(verdict.refusal.code)) return verdict;
  return { ...verdict, refusal: wayOut(book, facts) ?? verdict.refusal };
}

/** The members who could decide on a path, as far as that is known. */
export function approversOf(
  { rules, groups }: Rulebook,
  facts: RequestFacts,
  terms: RequestTerms,
): Approvers | undefined {
  if (terms.approval === 'none') return undefined;
  const { count, group } = terms.approval;
  const situation = approvalOf(facts, groups);
  const forbids = forbidsToApprove(rules, situation);
  const mayApprove = (member?: string) => mightApprove(forbids, situation, personIn(groups, group, member));
  const members = membersOf(groups, group, facts.seenMembers);
  if (!members) return mayApprove() ? { count, group } : { count, group, known: [] };
  const requester = new Set([
    `${facts.principal.connection}/${facts.principal.subject}`,
    ...(facts.alsoRequester ?? []),
  ]);
  const able = members.filter((member) => !requester.has(member) && mayApprove(member));
  const known = eachPerson(able, facts.samePeople);
  const others = groups.groups.get(group)?.source === 'claim' && known.length >= count;
  return others ? { count, group } : { count, group, known };
}

/** Somebody approves this, whoever that is and whenever they signed in. */
function approvalOf({ resource, context }: RequestFacts, groups: GroupsFile): Situation {
  const { durationSeconds } = context;
  return { action: 'approve', groups, person: {}, thing: thingOf(resource), durationSeconds };
}

/** Refusals that other circumstances might turn into a yes. */
const FACTS_MATTER = new Set<RefusalCode>(['policy.no_rule', 'policy.forbidden', 'policy.nobody_can_decide']);

function judgeAsAsked(book: Rulebook, facts: RequestFacts): RequestVerdict {
  const answer = book.judge(toCedarRequest('request', facts, book.groups));
  const failure = failureOf(book, answer);
  if (failure) return refuse(failure);
  if (answer.decision === 'deny') return refuse(denied(book, facts, answer));
  const matching = book.rules.filter(
    (rule): rule is RequestRule => rule.terms !== undefined && answer.reason.has(rule.id),
  );
  const longEnough = matching.filter(({ terms }) => terms.maxDurationSeconds >= facts.context.durationSeconds);
  if (longEnough.length === 0) return refuse(tooLong(matching));
  const open = longEnough.filter(({ terms }) => isDecidable(approversOf(book, facts, terms)));
  if (open.length === 0) return refuse(undecidable(longEnough));
  return { allowed: true, paths: open.map(toPath) };
}

/**
 * Cedar leaves a policy out whose evaluation fails; left out, a `forbid` would allow. So a `forbid` that fails refuses.
 * A permit that fails only does not count, unless nothing else is left to explain a refusal.
 */
export function failureOf({ rules }: Pick<Rulebook, 'rules'>, answer: CedarAnswer): Refusal | undefined {
  const failed = rules.filter(({ id }) => answer.errors.has(id));
  const forbids = failed.filter(({ effect }) => effect === 'forbid');
  const onlyFailures = answer.decision === 'deny' && answer.reason.size === 0;
  const blamed = forbids.length > 0 || !onlyFailures ? forbids : failed;
  if (answer.failure === undefined && blamed.length === 0) return undefined;
  return {
    code: 'policy.evaluation_failed',
    message: blamed.length === 0 ? 'the policies could not be evaluated' : `${list(blamed)} could not be evaluated`,
    advice: 'Ask whoever keeps the policies: `curfew policy explain` shows the error.',
    policies: blamed.map(({ id }) => id),
  };
}

function denied(book: Rulebook, facts: RequestFacts, answer: CedarAnswer): Refusal {
  const { target, entitlement } = facts.resource;
  // A `forbid` about everything says nothing of what there is to somebody of whom no rule speaks.
  if (answer.reason.size > 0 && mightEverAsk(book, facts)) {
    const forbids = book.rules.filter(({ id }) => answer.reason.has(id));
    return {
      code: 'policy.forbidden',
      message: `${list(forbids)} forbids this`,
      policies: forbids.map(({ id }) => id),
    };
  }
  const groups =
    facts.principal.groups.length > 0 ? `members of ${facts.principal.groups.join(', ')}` : 'somebody without a group';
  return {
    code: 'policy.no_rule',
    message: `no rule lets ${groups} ask for ${target}/${entitlement}`,
    advice: '`curfew targets list` shows what you may ask for, `curfew policy explain` what each rule asks for.',
    policies: [],
  };
}

/** Whether some rule lets this person ask for it, for some time and after some sign-in. */
function mightEverAsk({ rules, groups }: Rulebook, { principal, resource }: RequestFacts): boolean {
  const claimed = [...groups.groups].filter(([, { source }]) => source === 'claim');
  const situation: Situation = {
    action: 'request',
    groups,
    person: {
      id: principal.id,
      connection: principal.connection,
      subject: principal.subject,
      claims: new Map(claimed.map(([name]) => [name, principal.groups.includes(name)])),
    },
    thing: thingOf(resource),
  };
  return rules.some((rule) => rule.terms !== undefined && matches(rule, situation) !== false);
}

const thingOf = ({ target, entitlement: name, kind, owner }: RequestFacts['resource']): Situation['thing'] => ({
  target,
  name,
  kind,
  owner,
});

function tooLong(matching: readonly RequestRule[]): Refusal {
  const longest = matching.toSorted((a, b) => b.terms.maxDurationSeconds - a.terms.maxDurationSeconds)[0];
  const limit = formatDuration(longest?.terms.maxDurationSeconds ?? 0);
  return {
    code: 'policy.too_long',
    message: `allowed for at most ${limit} by ${longest?.id ?? ''}`,
    advice: `Ask for ${limit} or less.`,
    policies: matching.map(({ id }) => id),
  };
}

function undecidable(matching: readonly RequestRule[]): Refusal {
  const ways = matching.map(({ id, terms }) =>
    terms.approval === 'none' ? id : `${id} (${terms.approval.count} of ${terms.approval.group})`,
  );
  return {
    code: 'policy.nobody_can_decide',
    message: `nobody else could decide this: ${ways.join(', ')}`,
    advice:
      'Somebody else must be in the group that approves and not be kept from it by a forbid, or another rule must allow ' +
      'this. Who is in a group of the identity provider is known once they have signed in.',
    policies: matching.map(({ id }) => id),
  };
}

/** Would the answer be yes after a fresh sign-in, or for the shortest time? Then that is the reason. */
function wayOut(book: Rulebook, facts: RequestFacts): Refusal | undefined {
  const paths = (change: Partial<RequestContext>): readonly RequestPath[] =>
    judgeAsAsked(book, { ...facts, context: { ...facts.context, ...change } }).paths;
  const rulesOf = (open: readonly RequestPath[]) =>
    book.rules.filter(({ id }) => open.some(({ policy }) => policy === id));
  const now = rulesOf(paths({ signInAgeSeconds: 0 }));
  if (now.length > 0) return signInAgain(now);
  const shorter = rulesOf(paths({ durationSeconds: 1 }));
  if (shorter.length > 0) {
    const message = `not for that long: ${list(shorter)} allows a shorter time`;
    return { code: 'policy.too_long', message, advice: 'Ask for less.', policies: shorter.map(({ id }) => id) };
  }
  const both = rulesOf(paths({ signInAgeSeconds: 0, durationSeconds: 1 }));
  return both.length > 0 ? signInAgain(both) : undefined;
}

function signInAgain(rules: readonly Rule[]): Refusal {
  const ages = rules.map(maxSignInAge).filter((age) => age !== undefined);
  const limit = ages.length > 0 ? `older than ${formatDuration(Math.max(...ages))}` : 'too old';
  return {
    code: 'policy.sign_in_too_old',
    message: `sign in again: your sign-in is ${limit}, which is too old for ${list(rules)}`,
    // Without it, a provider that knows the person still may send the sign-in of before once more.
    advice: '`curfew login --fresh`, then ask again.',
    policies: rules.map(({ id }) => id),
  };
}

function isDecidable(approvers: Approvers | undefined): boolean {
  return approvers?.known === undefined || approvers.known.length >= approvers.count;
}

function toPath({ id, terms }: RequestRule): RequestPath {
  return { policy: id, ...terms };
}

function refuse(refusal: Refusal): RequestVerdict {
  return { allowed: false, paths: [], refusal };
}

function list(rules: readonly Rule[]): string {
  return rules.map(({ id }) => id).join(', ');
}
