import type { Command } from 'commander';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import { Interrupted, ProblemReply, UsageError } from '../failure';
import type { Act } from '../act';
import { pickUp, replaceCredential } from '../service/credentials';
import { eitherId, grantId, grantIdPast } from '../service/resolve';
import type { AccessRequest, Grant, GrantLife, PickedUp } from '../service/shapes';
import { isAway, unlessAway, waitUntil } from '../service/waiting';
import { untilInterrupted, watch } from '../terminal/live';
import { progress } from '../terminal/progress';
import { pairs, table } from '../terminal/table';
import { clockTime, relative } from '../terminal/times';
import { visible, visibleLines } from '../terminal/visible';
import { backgroundOf } from './background';
import { hadEnded } from './ended';
import { sayUnlessKept } from './not-kept';
import { retryWords } from './failure-words';
import { grantLifeWords, requestLifeWords } from './life';
import { listOptions, parseLimit, type ListOptions } from './list-options';
import { endWords, grantStateCell, short } from './words';

interface GrantsOptions extends ListOptions {
  readonly watch?: boolean;
  readonly all?: boolean;
  readonly mine?: boolean;
}

/** How long the proof of an end is waited for. */
const PROOF_MS = 10_000;

const GRANT = 'its id, the beginning of it, or target/entitlement for your one live grant';

export function addGrantCommands(program: Command, act: Act): void {
  listOptions(
    program
      .command('grants')
      .description('list live grants, and when they end')
      .option('--watch', 'go on and count down, until Ctrl-C')
      .option('--all', 'those that have ended too')
      .option('--mine', 'only your own'),
  ).action(act<[], GrantsOptions>(grants));
  program
    .command('show')
    .description('show the whole life of a grant or a request, with its evidence')
    .argument('<id>', 'of a grant or a request, or the beginning of it')
    .action(act<[string]>(show));
  program
    .command('credential')
    .description('pick up what a grant hands over: once')
    .argument('<grant>', GRANT)
    .option('--replace', 'when what was picked up got lost: a new one, and the old one stops')
    .action(act<[string], { replace?: boolean }>(credential));
  program
    .command('done')
    .description('give a grant back before it ends')
    .argument('<grant>', 'its id, the beginning of it, or target/entitlement for your live or else newest grant')
    .addHelpText('after', endedBefore('given back'))
    .action(act<[string]>(done));
  program
    .command('revoke')
    .description("end somebody's grant now")
    .argument('<grant>', 'its id, or the beginning of it')
    .addHelpText('after', endedBefore('revoked'))
    .action(act<[string]>(revoke));
}

const endedBefore = (done: string): string => `
Ends with ${EXIT.ok} as soon as the end is decided, and says whether it is proven; also when it was ${done} before.
Ends with ${EXIT.conflict}, and says how it had ended, when it had ended in any other way.`;

async function grants(context: Context, options: GrantsOptions): Promise<void> {
  const { api, signal, terminal } = context;
  const limit = parseLimit(options);
  const query = { ...(options.all !== true && { state: 'live' }), ...(options.mine === true && { mine: true }) };
  const look = (): Promise<Grant[]> => api.all<Grant>('/v1/grants', query, limit);
  const none = options.all === true ? 'No grants.' : 'No live grants. With --all: those that have ended, too.';
  const draw = (items: readonly Grant[]): string[] => (items.length === 0 ? [none] : grantTable(items, context));
  if (options.watch !== true) {
    const items = await look();
    return terminal.show({ items }, () => draw(items));
  }
  await untilInterrupted(() =>
    watch(terminal, {
      look: () => unlessAway(look),
      draw,
      line: (grant) =>
        [short(grant.id), visible(grant.entitlement), grant.state, endWords(grant, api.now())].join('  '),
      state: ({ state, endsAt }) => `${state} ${endsAt}`,
      signal,
    }),
  );
}

function grantTable(items: readonly Grant[], { api, terminal }: Context): string[] {
  const now = api.now();
  return table(
    [
      { title: 'ID' },
      { title: 'WHAT', shrinkTo: 12 },
      { title: 'WHO', shrinkTo: 6 },
      { title: 'STATE' },
      { title: 'END', shrinkTo: 12 },
    ],
    items.map((grant) => [
      { text: short(grant.id), colour: 'bold' },
      grant.entitlement,
      grant.holder.name,
      grantStateCell(grant),
      grant.state === 'stuck' ? { text: endWords(grant, now), colour: 'red' } : endWords(grant, now),
    ]),
    { paint: terminal.paint, width: terminal.width },
  );
}

async function show(context: Context, _: object, text: string): Promise<void> {
  const { api, terminal } = context;
  const found = await eitherId(api, text);
  const life = typeof found === 'string' ? await grantOrRequest(api, found) : await fetchOne(api, found);
  // JSON is what the service says of the one thing that was asked for.
  const background = life.kind === 'grant' && !terminal.json ? await backgroundOf(api, life.value) : {};
  terminal.show(life.value, () =>
    life.kind === 'grant'
      ? grantLifeWords(life.value, terminal.paint, api.now(), background)
      : requestLifeWords(life.value, terminal.paint, api.now()),
  );
}

type Shown = { kind: 'grant'; value: GrantLife } | { kind: 'request'; value: AccessRequest };

async function fetchOne(api: Context['api'], { kind, id }: { kind: 'grant' | 'request'; id: string }): Promise<Shown> {
  return kind === 'grant'
    ? { kind, value: await api.get<GrantLife>(`/v1/grants/${id}`) }
    : { kind, value: await api.get<AccessRequest>(`/v1/requests/${id}`) };
}

async function grantOrRequest(api: Context['api'], id: string): Promise<Shown> {
  try {
    return await fetchOne(api, { kind: 'grant', id });
  } catch (error) {
    if (!(error instanceof ProblemReply) || error.kind !== 'not_found') throw error;
    return fetchOne(api, { kind: 'request', id });
  }
}

async function credential(context: Context, { replace }: { replace?: boolean }, text: string): Promise<void> {
  const { api, terminal } = context;
  const id = await grantId(api, text, 'mine');
  const picked = await (
    replace === true
      ? progress(terminal, 'replacing the credential', () => replaceCredential(context.connection, id, context.signal))
      : pickUp(context.connection, id)
  ).catch((error: unknown) => {
    if (error instanceof Interrupted && replace === true)
      terminal.note(`It is being replaced; the new one waits for you: ${context.suggest(`credential ${short(id)}`)}`);
    else if (context.connection.kept.find(id) && !terminal.json)
      terminal.note(`What was picked up is kept here: ${context.suggest(`exec ${short(id)} -- <command>`)} uses it.`);
    throw error;
  });
  sayUnlessKept(context, id, picked);
  terminal.show(withoutOurs(picked), () => credentialWords(context, picked));
}

const withoutOurs = ({ fields, environment, files, endsAt }: PickedUp): PickedUp => ({
  fields,
  environment,
  ...(files && { files }),
  endsAt,
});

function credentialWords({ terminal, now }: Context, { fields, endsAt }: PickedUp): string[] {
  return pairs(
    [
      ...Object.entries(fields).map(([name, value]) => [visible(name), visibleLines(value)] as const),
      ['until', `${clockTime(endsAt, now)} (${relative(endsAt, now)})`],
    ],
    terminal.paint,
  );
}

async function done(context: Context, _: object, text: string): Promise<void> {
  const { api, connection } = context;
  const id = await grantIdPast(api, text);
  const grant = await api.post<GrantLife>(`/v1/grants/${id}/release`);
  connection.kept.forget(id);
  if (grant.endReason !== 'released') throw hadEnded(context, grant, 'nothing was given back');
  await sayEnd(context, grant, `${visible(grant.entitlement)} was given back`);
}

async function revoke(context: Context, _: object, text: string): Promise<void> {
  if (text.includes('/')) throw new UsageError('which grant?', `Its id: \`${context.suggest('grants')}\` shows it.`);
  const { api } = context;
  const id = await grantId(api, text, 'any');
  const grant = await api.post<GrantLife>(`/v1/grants/${id}/revocation`);
  if (grant.endReason !== 'revoked') throw hadEnded(context, grant, 'nothing was revoked');
  await sayEnd(context, grant, `${visible(grant.entitlement)} of ${visible(grant.holder.name)} was revoked`);
}

/** Its end is decided; whether it is proven a moment is waited for. */
async function sayEnd(context: Context, grant: GrantLife, what: string): Promise<void> {
  const { api, signal, terminal } = context;
  const { evidence: _, ...ended } = await progress(terminal, 'ending it at the target', (say) =>
    waitUntil<GrantLife>({
      api,
      signal,
      path: `/v1/grants/${grant.id}`,
      until: ({ state }) => state === 'ended' || state === 'stuck',
      seen: (seen) => say(['ending it at the target', ...retryWords(seen?.retry)].join('; ')),
      everyMs: 250,
      patienceMs: PROOF_MS,
    }).catch((error: unknown) => {
      // The end is decided, whoever waits for the proof or does not.
      if (error instanceof Interrupted || isAway(error)) return grant;
      throw error;
    }),
  );
  // It may have been done before, which is said again.
  const when = `${what} at ${clockTime(ended.endingAt ?? ended.endsAt, api.now())}`;
  const look = context.suggest(`show ${short(grant.id)}`);
  terminal.show(ended, () => {
    if (ended.state === 'ended') return [`${terminal.paint('green', '✓')} ${when}. The end is proven: ${look}`];
    return [
      `${terminal.paint('yellow', '!')} ${when}. Its end is not proven yet (${ended.state}): ${look}`,
      ...retryWords(ended.retry).map((line) => `  ${line}`),
    ];
  });
}
