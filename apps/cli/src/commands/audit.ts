import type { Command } from 'commander';
import type { Act } from '../act';
import type { Context } from '../context';
import { Interrupted, UsageError } from '../failure';
import type { Api, Query } from '../service/api';
import type { AuditEvent } from '../service/shapes';
import { isAway } from '../service/waiting';
import { sleep } from '../sleep';
import { table } from '../terminal/table';
import { clockTime } from '../terminal/times';
import { visible } from '../terminal/visible';
import { listOptions, parseLimit, type ListOptions } from './list-options';
import { short } from './words';

const EVENTS = '/v1/audit/events';
const MAX_PAGE = 500;
const POLL_MS = 1_000;
const TAIL_BEGINS_WITH = 10;

interface FilterOptions {
  readonly subject?: string;
  readonly actor?: string;
  readonly correlation?: string;
}

type AuditListOptions = FilterOptions & ListOptions & { readonly before?: string };

export function addAuditCommands(program: Command, act: Act): void {
  const audit = program.command('audit').description('the record of everything that happened');
  listOptions(filters(audit.command('list').description('list events, the newest first')))
    .option('--before <id>', 'only those before this event: the next page')
    .action(act<[], AuditListOptions>(list));
  filters(audit.command('tail').description('show events as they happen, until Ctrl-C')).action(
    act<[], FilterOptions>(tail),
  );
}

const filters = (command: Command): Command =>
  command
    .option('--subject <id>', 'only those of one grant, request, target, …')
    .option('--actor <id>', 'only what this identity did')
    .option('--correlation <id>', 'only what this HTTP request caused');

async function list({ api, terminal }: Context, options: AuditListOptions): Promise<void> {
  const limit = parseLimit(options, MAX_PAGE);
  if (options.before !== undefined && !/^[1-9][0-9]{0,18}$/.test(options.before))
    throw new UsageError('not the id of an event');
  const { items } = await api.page<AuditEvent>(EVENTS, { ...filterOf(options), before: options.before, limit });
  terminal.show({ items }, () => {
    if (items.length === 0) return ['No events.'];
    return table(
      [
        { title: 'ID' },
        { title: 'WHEN' },
        { title: 'WHAT', shrinkTo: 16 },
        { title: 'CHANGE' },
        { title: 'WHO', shrinkTo: 8 },
        { title: 'THROUGH' },
      ],
      items.map(({ id, members }) => [
        id,
        clockTime(members['at'] ?? '', api.now()),
        subjectOf(members),
        changeOf(members),
        actorOf(members),
        members['channel'] ?? '',
      ]),
      { paint: terminal.paint, width: terminal.width },
    );
  });
}

const filterOf = ({ subject, actor, correlation }: FilterOptions): Query => ({ subject, actor, correlation });

async function tail({ api, signal, terminal }: Context, options: FilterOptions): Promise<void> {
  const filter = filterOf(options);
  try {
    const newest = await api.page<AuditEvent>(EVENTS, { ...filter, limit: TAIL_BEGINS_WITH });
    let last = say({ api, terminal }, newest.items.toReversed()) ?? '0';
    for (;;) {
      await sleep(POLL_MS, signal);
      last = say({ api, terminal }, await after(api, filter, last)) ?? last;
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  }
}

/** An event's id is above 0: what was there before anything happened is after nothing. */
async function after(api: Api, filter: Query, last: string): Promise<readonly AuditEvent[]> {
  try {
    const from = last === '0' ? {} : { after: last };
    const { items } = await api.page<AuditEvent>(EVENTS, { ...filter, ...from, limit: MAX_PAGE });
    return last === '0' ? items.toReversed() : items;
  } catch (error) {
    if (isAway(error)) return [];
    throw error;
  }
}

/** @returns the id of the last one */
function say(
  { api, terminal }: { api: Api; terminal: Context['terminal'] },
  events: readonly AuditEvent[],
): string | undefined {
  for (const event of events) {
    const { members } = event;
    if (terminal.json) terminal.record(event);
    else
      terminal.print(
        [
          terminal.paint('dim', clockTime(members['at'] ?? '', api.now())),
          visible(subjectOf(members)).padEnd(18),
          terminal.paint('bold', visible(changeOf(members))),
          terminal.paint('dim', visible(actorOf(members))),
        ].join('  '),
      );
  }
  return events.at(-1)?.id;
}

/** `grant 1a2b3c4d` */
function subjectOf(members: AuditEvent['members']): string {
  const [kind = '', id = ''] = (members['subject'] ?? '').split(':');
  return `${kind} ${short(id)}`;
}

/** What happens to a credential that was picked up and leaves it so, as often as the record has it by then. */
const TOLD = [
  ['refusedPickUps', 'refused pick-ups'],
  ['replacementsAsked', 'asked for another'],
] as const;

function changeOf(members: AuditEvent['members']): string {
  const { from, to = '?' } = members;
  // Which of them it was now, the event before this one says.
  const times = TOLD.filter(([member]) => Number(members[member] ?? 0) > 0);
  if (from === to && times.length > 0)
    return `${to}; ${times.map(([member, words]) => `${words}: ${members[member]}`).join(', ')}`;
  return from === undefined ? `→ ${to}` : `${from} → ${to}`;
}

/** A person by the beginning of their id; our own processes by their names. */
function actorOf({ actor = '' }: { actor?: string }): string {
  return /^[0-9a-f]{8}-/.test(actor) ? short(actor) : actor;
}
