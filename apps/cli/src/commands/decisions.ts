import type { Command } from 'commander';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import { Failure, Interrupted } from '../failure';
import type { Act } from '../act';
import { requestId } from '../service/resolve';
import type { AccessRequest } from '../service/shapes';
import { unlessAway } from '../service/waiting';
import { untilInterrupted, watch } from '../terminal/live';
import { confirm } from '../terminal/prompt';
import { pairs } from '../terminal/table';
import { relative } from '../terminal/times';
import { visible } from '../terminal/visible';
import { requestTable } from './request-table';
import { decisionWords, durationWords, endingWords, reasonWords, short } from './words';

type Verdict = 'approve' | 'deny';

const EMPTY = 'Nothing waits for your decision.';

export function addDecisionCommands(program: Command, act: Act): void {
  program
    .command('inbox')
    .description('list what waits for your decision')
    .option('--watch', 'go on, until Ctrl-C')
    .action(act<[], { watch?: boolean }>(inbox));
  for (const verdict of ['approve', 'deny'] as const) {
    program
      .command(verdict)
      .description(`${verdict} a request, after showing exactly what will happen`)
      .argument('<request>', 'its id, or the beginning of it')
      .option('-y, --yes', 'without a question')
      .action(act<[string], { yes?: boolean }>((context, options, id) => decide(context, verdict, { ...options, id })));
  }
}

async function inbox(context: Context, options: { watch?: boolean }): Promise<void> {
  const { api, signal, terminal } = context;
  const look = (): Promise<AccessRequest[]> => api.all<AccessRequest>('/v1/requests', { box: 'inbox' });
  const draw = (items: readonly AccessRequest[]): string[] =>
    requestTable(items, { terminal, now: api.now(), empty: EMPTY });
  if (options.watch !== true) {
    const items = await look();
    terminal.show({ items }, () => [
      ...draw(items),
      ...(items[0] ? ['', terminal.paint('dim', context.suggest(`approve ${short(items[0].id)}`))] : []),
    ]);
    return;
  }
  await untilInterrupted(() =>
    watch(terminal, {
      look: () => unlessAway(look),
      draw,
      line: (request) =>
        [
          short(request.id),
          visible(request.requester.name),
          visible(request.entitlements.join(', ')),
          durationWords(request.durationSeconds),
          visible(request.reason ?? ''),
        ].join('  '),
      state: ({ state }) => state,
      signal,
    }),
  );
}

async function decide(context: Context, verdict: Verdict, options: { id: string; yes?: boolean }): Promise<number> {
  const { api, terminal, signal } = context;
  const id = await requestId(api, options.id, 'inbox');
  const request = await api.get<AccessRequest>(`/v1/requests/${id}`);
  if (request.state !== 'pending') throw decidedBefore(request);
  if (!terminal.json) terminal.note('', ...whatWillHappen(context, request), '');
  const question = verdict === 'approve' ? 'Approve exactly this?' : 'Deny it?';
  const decides =
    options.yes === true || (await confirm(terminal, question, signal).catch(undecided(terminal, request)));
  if (!decides) {
    sayUndecided(terminal, request);
    return EXIT.error;
  }
  const body = { verdict, scopeHash: request.scopeHash };
  const decided = await api.post<AccessRequest>(`/v1/requests/${id}/decisions`, body);
  terminal.show(decided, () => [outcome(context, verdict, decided)]);
  return EXIT.ok;
}

/** Ctrl-C is no verdict. */
const undecided =
  (terminal: Context['terminal'], request: AccessRequest) =>
  (error: unknown): never => {
    if (error instanceof Interrupted) sayUndecided(terminal, request);
    throw error;
  };

function sayUndecided(terminal: Context['terminal'], request: AccessRequest): void {
  if (terminal.json) terminal.document(request);
  terminal.note('Nothing was decided.');
}

function outcome({ terminal }: Context, verdict: Verdict, { id, state, grants }: AccessRequest): string {
  const done = verdict === 'approve' ? 'approved' : 'denied';
  const rest = verdict === 'approve' && state === 'pending' ? ' by you; it waits for somebody else too' : '';
  const made = grants.length > 0 ? ` (grant ${grants.map((grant) => short(grant.id)).join(', ')})` : '';
  return `${terminal.paint('green', '✓')} Request ${short(id)} is ${done}${rest}${made}.`;
}

function decidedBefore({ state, decidedAt }: AccessRequest): Failure {
  return new Failure({
    kind: 'conflict',
    code: 'cli.already_decided',
    message: 'this request has its outcome already',
    advice: `It was ${state}.`,
    details: decidedAt === null ? {} : { at: decidedAt },
  });
}

/** Who, what, how long, why, and how it ends: what the verdict is about. */
function whatWillHappen({ api, terminal }: Context, request: AccessRequest): string[] {
  const { notePaint: paint } = terminal;
  const now = api.now();
  return pairs(
    [
      ['who', paint('bold', visible(request.requester.name))],
      ['what', request.entitlements.map((name) => paint('bold', visible(name)))],
      ['how long', `${durationWords(request.durationSeconds)}, from when it begins`],
      ['why', reasonWords(request.reason)],
      ['how it ends', endings(request, (text) => paint('yellow', text))],
      ['decides', decisionWords(request)],
      ['asked', `${relative(request.createdAt, now)}; lapses ${relative(request.lapsesAt, now)}`],
      ['request', request.id],
    ],
    paint,
  );
}

function endings({ endings: traits }: AccessRequest, warn: (text: string) => string): string[] {
  const targets = Object.entries(traits);
  return targets.flatMap(([name, ending]) =>
    endingWords(ending).map((line) => {
      const text = targets.length > 1 ? `${visible(name)}: ${line}` : line;
      return ending.enforcedBy === 'curfew' ? warn(text) : text;
    }),
  );
}
