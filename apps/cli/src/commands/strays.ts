import type { Command } from 'commander';
import type { Act } from '../act';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import type { Stray, Strays } from '../service/shapes';
import { table, type Cell } from '../terminal/table';
import { relative } from '../terminal/times';
import { visible } from '../terminal/visible';
import { failureWords } from './failure-words';
import { parseName } from './target-name';

interface StraysOptions {
  readonly confirm?: boolean;
}

export function addStraysCommand(targets: Command, act: Act): void {
  targets
    .command('strays')
    .description('list what bears our name at a target and belongs to no grant, as after a restore')
    .argument('<name>')
    .option('--confirm', 'remove what is listed now, and do not wait for ten minutes to pass')
    .action(act<[string], StraysOptions>(strays));
}

async function strays(context: Context, { confirm }: StraysOptions, name: string): Promise<number> {
  const { api, terminal } = context;
  const path = `/v1/targets/${parseName(name)}/strays`;
  const seen = await api.get<Strays>(path);
  const waiting = seen.items.filter(({ state }) => state === 'found').map(({ id }) => id);
  // What was seen, and nothing that was found since.
  const now =
    confirm === true && waiting.length > 0 ? await api.post<Strays>(`${path}/confirmation`, { strays: waiting }) : seen;
  const isConfirmed = now !== seen;
  const confirmed = isConfirmed ? waiting.length : 0;
  terminal.show(now, () => words(context, { name, strays: now, confirmed }));
  return waiting.length > 0 && !isConfirmed ? EXIT.found : EXIT.ok;
}

function words(
  context: Context,
  { name, strays: { surveyedAt, items }, confirmed }: { name: string; strays: Strays; confirmed: number },
): string[] {
  const { paint, width } = context.terminal;
  const now = context.api.now();
  const looked = surveyedAt === null ? 'nobody has looked yet' : `looked through ${relative(surveyedAt, now)}`;
  if (items.length === 0) return [`Nothing at ${name} bears our name and belongs to no grant (${looked}).`];
  const rows = items.map((stray): Cell[] => [
    { text: visible(stray.name), colour: 'bold' },
    relative(stray.foundAt, now),
    fate(stray, now),
  ]);
  const columns = [{ title: 'NAME', shrinkTo: 20 }, { title: 'FOUND' }, { title: 'WHAT BECOMES OF IT', shrinkTo: 20 }];
  const isWaiting = items.some(({ state }) => state === 'found');
  return [
    ...table(columns, rows, { paint, width }),
    '',
    ...(confirmed > 0 ? [`${paint('green', '✓')} ${confirmed} confirmed: removed now.`] : []),
    ...(isWaiting ? [`  ${paint('dim', context.suggest(`targets strays ${name} --confirm`))}`] : []),
    `  ${paint('dim', looked)}`,
  ];
}

function fate({ state, removeAt, removedAt, clearedAt, failure }: Stray, now: number): string {
  if (state === 'found') return `removed ${relative(removeAt, now)}`;
  if (state === 'removing') return failure === null ? 'being removed' : `not yet: ${failureWords(failure)}`;
  if (state === 'removed') return `removed, and proven ${relative(removedAt ?? '', now)}`;
  return `nothing to remove, seen ${relative(clearedAt ?? '', now)}`;
}
