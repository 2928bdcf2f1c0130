import type { Command } from 'commander';
import { Option } from 'commander';
import { parseDuration } from '@app/kernel';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import { Interrupted, UsageError } from '../failure';
import type { Act } from '../act';
import { isEntitlement, requestId } from '../service/resolve';
import { REQUEST_STATES, type AccessRequest, type Grant, type GrantLife, type RequestState } from '../service/shapes';
import { waitUntil } from '../service/waiting';
import { progress } from '../terminal/progress';
import { clockTime, relative } from '../terminal/times';
import { visible } from '../terminal/visible';
import { listOptions, parseLimit, type ListOptions } from './list-options';
import { decisionWords, short } from './words';
import { failureWords, retryWords } from './failure-words';
import { requestTable } from './request-table';

const MAX_REASON = 2_000;
/** All but line breaks and tabs. */
const CONTROL = /[^\P{Cc}\n\r\t]/u;
const MAX_ENTITLEMENTS = 10;
const AWAY = 'the service does not answer; trying again';

interface AskOptions {
  readonly for: string;
  readonly reason: string;
  readonly wait: boolean;
}

interface RequestsOptions extends ListOptions {
  readonly state?: RequestState;
  readonly inbox?: boolean;
  readonly mine?: boolean;
}

export function addAccessCommands(program: Command, act: Act): void {
  program
    .command('request')
    .description('ask for access, and wait for the decision')
    .argument('<entitlement...>', 'what to ask for, as target/entitlement; several are decided as a whole')
    .requiredOption('--for <duration>', 'how long, from when it begins: 45s, 30m, 2h, 7d')
    .requiredOption('--reason <text>', 'why, for whoever decides and for the record')
    .option('--no-wait', 'return at once')
    .action(act<[string[]], AskOptions>(ask));
  listOptions(
    program
      .command('requests')
      .description('list requests, the newest first')
      .addOption(new Option('--state <state>', 'only those in this state').choices([...REQUEST_STATES]))
      .option('--inbox', 'only those that wait for your decision')
      .option('--mine', 'only those that you asked'),
  ).action(act<[], RequestsOptions>(requests));
  program
    .command('withdraw')
    .description('take a request back that nobody has decided yet')
    .argument('<request>', 'its id, or the beginning of it')
    .action(act<[string]>(withdraw));
}

async function ask(context: Context, options: AskOptions, entitlements: string[]): Promise<number> {
  const body = orderOf(options, entitlements);
  const { api, terminal } = context;
  const request = await api.post<AccessRequest>('/v1/requests', body).catch((error: unknown) => {
    if (error instanceof Interrupted)
      terminal.note(`Whether it was asked is not known here: ${context.suggest('requests --mine')}`);
    throw error;
  });
  if (!options.wait) {
    terminal.show(request, () => askedWords(context, request));
    return EXIT.ok;
  }
  let seen = request;
  try {
    const decided = await waitForDecision(context, request, (latest) => (seen = latest));
    const grants = decided.state === 'approved' ? await waitForGrants(context, decided) : [];
    const began = grants.length > 0 && grants.every(({ state }) => state === 'active');
    terminal.show({ ...decided, grants }, () => outcomeWords(context, decided, grants));
    return began ? EXIT.ok : EXIT.notGranted;
  } catch (error) {
    if (error instanceof Interrupted) sayUnfinished(context, seen);
    throw error;
  }
}

/** Ctrl-C ends the waiting, not the request. */
function sayUnfinished(context: Context, request: AccessRequest): void {
  const { terminal } = context;
  const suggest = (words: string): string => context.suggest(words);
  if (terminal.json) terminal.document(request);
  const look = `To see what became of it: ${suggest(`show ${short(request.id)}`)}`;
  if (request.state === 'pending')
    terminal.note(`The request stays pending. To take it back: ${suggest(`withdraw ${short(request.id)}`)}`, look);
  else
    terminal.note(
      'It is approved, and the access begins without you waiting for it. To give it back:',
      ...request.grants.map(({ id }) => `  ${suggest(`done ${short(id)}`)}`),
      look,
    );
}

/** Everything a person typed, checked before anybody is asked. */
function orderOf({ for: duration, reason }: AskOptions, entitlements: readonly string[]): object {
  const wrong = entitlements.find((each) => !isEntitlement(each));
  if (wrong !== undefined)
    throw new UsageError(
      `not an entitlement: ${wrong.slice(0, 60)}`,
      'Write target/entitlement. `curfew targets list` shows them.',
    );
  if (entitlements.length > MAX_ENTITLEMENTS)
    throw new UsageError(`a request has at most ${MAX_ENTITLEMENTS} entitlements`);
  const text = reason.trim();
  if (text === '') throw new UsageError('the reason is empty', 'Whoever decides wants to know: --reason "INC-4711".');
  if (!text.isWellFormed() || CONTROL.test(text)) throw new UsageError('the reason holds control characters');
  if (text.length > MAX_REASON) throw new UsageError(`the reason is longer than ${MAX_REASON} characters`);
  return { entitlements, durationSeconds: parseDuration(duration), reason: text };
}

async function waitForDecision(
  { api, signal, terminal }: Context,
  request: AccessRequest,
  onSeen: (request: AccessRequest) => void,
): Promise<AccessRequest> {
  if (request.state !== 'pending') return request;
  const whom = decisionWords(request).join('; ');
  const text = ({ lapsesAt }: AccessRequest): string =>
    `request ${short(request.id)} (lapses ${relative(lapsesAt, api.now())}) waits for ${whom === '' ? 'a decision' : whom}`;
  return progress(terminal, text(request), (say) =>
    waitUntil<AccessRequest>({
      api,
      signal,
      path: `/v1/requests/${request.id}`,
      until: ({ state }) => state !== 'pending',
      seen: (seen) => {
        say(seen ? text(seen) : AWAY);
        if (seen) onSeen(seen);
      },
    }),
  );
}

async function waitForGrants({ api, signal, terminal }: Context, request: AccessRequest): Promise<Grant[]> {
  const text = 'approved; making the access ready';
  return progress(terminal, text, (say) =>
    Promise.all(
      request.grants.map(async ({ id }) =>
        withoutEvidence(
          await waitUntil<GrantLife>({
            api,
            signal,
            path: `/v1/grants/${id}`,
            until: ({ state }) => state !== 'scheduled' && state !== 'activating',
            seen: (seen) => say(seen ? [text, ...retryWords(seen.retry)].join('; ') : AWAY),
            everyMs: 250,
          }),
        ),
      ),
    ),
  );
}

function withoutEvidence(life: GrantLife): Grant {
  const { evidence, ...grant } = life;
  void evidence;
  return grant;
}

function askedWords(context: Context, request: AccessRequest): string[] {
  const { terminal, now } = context;
  const isPending = request.state === 'pending';
  const state = isPending ? `is asked; it lapses ${relative(request.lapsesAt, now)}` : `is ${request.state}`;
  return [
    `${terminal.paint('green', '✓')} Request ${terminal.paint('bold', short(request.id))} ${state}`,
    ...decisionWords(request).map((line) => `  ${isPending ? 'waits for ' : ''}${line}`),
    `  ${terminal.paint('dim', context.suggest(`show ${short(request.id)}`))}`,
  ];
}

function outcomeWords(context: Context, request: AccessRequest, grants: readonly Grant[]): string[] {
  const { terminal, now } = context;
  if (request.state !== 'approved')
    return [
      `${terminal.paint('red', '✗')} Request ${short(request.id)} was ${request.state}`,
      ...decisionWords(request).map((line) => `  ${line}`),
    ];
  return grants.flatMap((grant) => {
    if (grant.state !== 'active')
      return [
        `${terminal.paint('red', '✗')} The access to ${visible(grant.entitlement)} did not begin: ${grant.failure === null ? visible(grant.endReason ?? grant.state) : failureWords(grant.failure)}`,
        `  ${terminal.paint('dim', context.suggest(`show ${short(grant.id)}`))}`,
      ];
    const next = [`exec ${short(grant.id)} -- <command>`, `credential ${short(grant.id)}`, `done ${short(grant.id)}`];
    return [
      `${terminal.paint('green', '✓')} You have ${terminal.paint('bold', visible(grant.entitlement))} until ${clockTime(grant.endsAt, now)} (${relative(grant.endsAt, now)})`,
      ...decisionWords(request).map((line) => `  ${line}`),
      ...next.map((words) => `  ${terminal.paint('dim', context.suggest(words))}`),
    ];
  });
}

async function requests({ api, terminal }: Context, options: RequestsOptions): Promise<void> {
  if (options.inbox === true && options.mine === true) throw new UsageError('--inbox and --mine exclude each other');
  const box = options.inbox === true ? 'inbox' : options.mine === true ? 'mine' : undefined;
  const items = await api.all<AccessRequest>('/v1/requests', { box, state: options.state }, parseLimit(options));
  terminal.show({ items }, () => requestTable(items, { terminal, now: api.now() }));
}

async function withdraw({ api, terminal }: Context, _: object, text: string): Promise<void> {
  const id = await requestId(api, text, 'mine');
  const request = await api.post<AccessRequest>(`/v1/requests/${id}/withdrawal`);
  terminal.show(request, () => [`${terminal.paint('green', '✓')} Request ${short(id)} is withdrawn.`]);
}
