import { INSTANT, wordsFor } from '../report';
import type { AccessRequest, Evidence, Grant, GrantLife } from '../service/shapes';
import type { Paint } from '../terminal/paint';
import { pairs } from '../terminal/table';
import { exactTime, lateness, relative } from '../terminal/times';
import { visible } from '../terminal/visible';
import { backgroundEntries, decidedEntries, type Background } from './background';
import { failureWords, retryWords } from './failure-words';
import { decisionWords, durationWords, endingWords, grantStateCell, reasonWords, requestStateCell } from './words';

type Entry = readonly [string, string | readonly string[]];

/** A grant from beginning to proof. */
export function grantLifeWords(grant: GrantLife, paint: Paint, now: number, background: Background = {}): string[] {
  const life = pairs(
    [
      ['grant', paint('bold', grant.id)],
      ['what', visible(grant.entitlement)],
      ['who', visible(grant.holder.name)],
      ['state', painted(grantStateCell(grant), paint)],
      ['request', grant.requestId],
      ...backgroundEntries(grant, background),
      ['how long', durationWords(grant.durationSeconds)],
      ['how it ends', endingWords(grant.ending)],
      ...credentialEntry(grant, now),
    ],
    paint,
  );
  return [
    ...life,
    '',
    ...pairs(times(grant, now), paint),
    ...troubles(grant, now, paint),
    ...(isWaiting(grant) ? ['', `  ${paint('yellow', deadlineOfTarget(grant))}`] : []),
    ...leftovers(grant, paint),
    ...grant.evidence.flatMap((each) => ['', ...evidenceWords(each, paint)]),
    ...attemptWords(grant, paint),
  ];
}

const TROUBLES = { begin: 'beginning', end: 'ending', tidy: 'tidying', replace: 'replacing' } as const;

/** What does not go through, or what it did not begin for. */
function troubles({ retry, failure, endReason, activatedAt, stuckAt }: GrantLife, now: number, paint: Paint): string[] {
  const entries: Entry[] = [];
  // A grant that got stuck carries what it got stuck for, and no longer what it did not begin for.
  if (failure !== null && stuckAt !== null) entries.push(['got stuck', [`because ${failureWords(failure)}`]]);
  else if (failure !== null) entries.push([troubleOf(endReason, activatedAt), [`because ${failureWords(failure)}`]]);
  if (retry) {
    const next = retry.nextAt === null ? 'now' : `at ${exactTime(retry.nextAt)} (${relative(retry.nextAt, now)})`;
    entries.push([TROUBLES[retry.kind], [...retryWords(retry), `trying again ${next}`]]);
  }
  if (entries.length === 0) return [];
  const lines = entries.map(([name, words]) => [name, [words].flat().map((line) => paint('yellow', line))] as const);
  return ['', ...pairs(lines, paint)];
}

function troubleOf(endReason: string | null, activatedAt: string | null): string {
  if (activatedAt === null) return 'did not begin';
  return endReason === 'expired' ? 'failed' : 'was ended';
}

const isWaiting = ({ state }: Grant): boolean => state === 'ending' || state === 'stuck';

/** What holds while the end is not proven yet. */
function deadlineOfTarget({ ending, endsAt }: Grant): string {
  const trying = 'Its end is not proven yet. Curfew goes on trying;';
  if (ending.enforcedBy === 'curfew') return `${trying} the target itself ends nothing.`;
  const open = ending.endsLiveSessions ? 'what is open goes on until Curfew cuts it' : 'what is open goes on';
  return `${trying} the target itself lets nobody in after ${exactTime(endsAt)}, but ${open}.`;
}

function credentialEntry({ credential }: Grant, now: number): Entry[] {
  if (!credential) return [];
  const { version, state, pickedUpAt, pickedUpFrom, refusedPickUps: refused = 0 } = credential;
  const words = [
    `${visible(state.replaceAll('_', ' '))}${version > 1 ? `, replaced ${version === 2 ? 'once' : `${version - 1} times`}` : ''}`,
    ...(pickedUpAt === null
      ? []
      : [
          `picked up ${relative(pickedUpAt, now)}, at ${exactTime(pickedUpAt)}${pickedUpFrom === null ? '' : ` from ${visible(pickedUpFrom)}`}`,
        ]),
    ...(refused === 0 ? [] : [`another pick-up was refused${refused === 1 ? '' : `, ${refused} times`}`]),
  ];
  return [['credential', words]];
}

function times(grant: Grant, now: number): Entry[] {
  const late = grant.lateMs === null ? '' : ` (${lateness(grant.lateMs)} after the deadline)`;
  const all: readonly (readonly [string, string | null, string?])[] = [
    ['made', grant.createdAt],
    ['begun', grant.activatedAt],
    ...(grant.activatedAt === null ? [['begins by', grant.activateBy] as const] : []),
    ['deadline', grant.endsAt, grant.endedAt === null ? ` (${relative(grant.endsAt, now)})` : ''],
    [`end decided`, grant.endingAt, `${grant.endReason === null ? '' : `, ${grant.endReason}`}${late}`],
    ['stuck', grant.stuckAt],
    ['end proven', grant.endedAt, provenAfter(grant)],
  ];
  return all.flatMap(([name, instant, more = '']) => (instant === null ? [] : [[name, exactTime(instant) + more]]));
}

function provenAfter({ endingAt, endedAt }: Grant): string {
  if (endingAt === null || endedAt === null) return '';
  return ` (${lateness(Date.parse(endedAt) - Date.parse(endingAt))} later)`;
}

function leftovers({ leftovers: items }: Grant, paint: Paint): string[] {
  if (items.length === 0) return [];
  return [
    '',
    `  ${paint('yellow', 'Left over, without power; tidying is tried again:')}`,
    ...items.map(({ what, why }) => `    ${visible(what)}: ${visible(why)}`),
  ];
}

const TITLES = { issue: 'Made and tried', end: 'Ended', proof: 'Proven', tidy: 'Tidied' } as const;

/** What was done and seen at the target. */
function evidenceWords({ kind, at, body }: Evidence, paint: Paint): string[] {
  return [
    `  ${paint('bold', TITLES[kind])} ${paint('dim', exactTime(at))}`,
    ...bodyWords(kind, body, paint).map((line) => `    ${line}`),
  ];
}

/** What an end that is not proven yet has come to: what was done, and what keeps it from being proven. */
function attemptWords({ lastAttempt }: GrantLife, paint: Paint): string[] {
  // `undefined` from an older service.
  if (!lastAttempt) return [];
  const { at, steps, checks } = lastAttempt;
  const open = checks.filter(({ verdict }) => verdict !== 'ended').flatMap((check) => checkWords(check, paint));
  return [
    '',
    `  ${paint('bold', 'Done so far, and not proven')} ${paint('dim', `last tried ${exactTime(at)}`)}`,
    ...(steps.length === 0 ? ['nothing was done'] : steps.map((step) => visible(step))).map((line) => `    ${line}`),
    ...(checks.length === 0 ? ['? it could not be looked at'] : open).map((line) => `    ${line}`),
  ];
}

function bodyWords(kind: Evidence['kind'], body: Evidence['body'], paint: Paint): string[] {
  const { steps, checks } = body;
  if (kind === 'proof' && Array.isArray(checks)) return checks.flatMap((check: unknown) => checkWords(check, paint));
  if (kind !== 'issue' && Array.isArray(steps))
    return steps.length === 0 ? ['nothing was left to do'] : steps.map((step) => visible(step));
  return pairs(
    Object.entries(body).map(([name, value]) => [wordsFor(name), visible(valueWords(value))] as const),
    paint,
  ).map((line) => line.trimStart());
}

function valueWords(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return INSTANT.test(value) ? exactTime(value) : value;
}

function checkWords(check: unknown, paint: Paint): string[] {
  const { check: what, verdict, answer } = check as Record<string, unknown>;
  const mark =
    verdict === 'ended' ? paint('green', '✓') : verdict === 'alive' ? paint('red', '✗') : paint('yellow', '?');
  return [`${mark} ${visible(what)}`, `  ${paint('dim', visible(answer))}`];
}

/** A request from question to outcome. */
export function requestLifeWords(request: AccessRequest, paint: Paint, now: number): string[] {
  return pairs(
    [
      ['request', paint('bold', request.id)],
      ['state', painted(requestStateCell(request), paint)],
      ['who', visible(request.requester.name)],
      ['what', request.entitlements.map(visible)],
      ['how long', durationWords(request.durationSeconds)],
      ['why', reasonWords(request.reason)],
      ['asked', exactTime(request.createdAt)],
      ...(request.state === 'pending'
        ? ([
            ['lapses', `${exactTime(request.lapsesAt)} (${relative(request.lapsesAt, now)})`],
            ['decides', decisionWords(request)],
          ] satisfies Entry[])
        : decidedEntries(request)),
      ...request.grants.map(({ id, state, entitlement }, i): Entry => [
        i === 0 ? 'grants' : '',
        `${id}  ${visible(entitlement)}  ${visible(state)}`,
      ]),
      ['policies', `version ${request.policyVersion.slice(0, 12)}`],
    ],
    paint,
  );
}

const painted = (cell: ReturnType<typeof grantStateCell>, paint: Paint): string =>
  typeof cell === 'string' ? cell : paint(cell.colour, cell.text);
