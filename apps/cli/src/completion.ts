import type { Argument, Command, Option } from 'commander';
import { Context } from './context';
import type { Api } from './service/api';
import type { AccessRequest, Grant, Target } from './service/shapes';
import { visible } from './terminal/visible';

export interface Suggestion {
  readonly word: string;
  /** One line. */
  readonly about: string;
}

/** Nobody waits longer for a suggestion, in milliseconds. */
const PATIENCE_MS = 1_500;

/** What the last word could become. It is empty where a new one begins. */
export async function complete(program: Command, words: readonly string[], context: Context): Promise<Suggestion[]> {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  if (before.includes('--')) return [];
  const { command, operands, pending } = follow(program, before);
  const all = await suggestions({ program, command, operands, pending, current }, givenIn(context, program, before));
  return all.filter(({ word }) => word.startsWith(current));
}

interface Place {
  readonly program: Command;
  readonly command: Command;
  readonly operands: readonly string[];
  /** The option that waits for its value. */
  readonly pending: Option | undefined;
  readonly current: string;
}

async function suggestions(
  { program, command, operands, pending, current }: Place,
  context: Context,
): Promise<Suggestion[]> {
  if (pending) return (pending.argChoices ?? []).map((word) => ({ word, about: '' }));
  if (current.startsWith('-'))
    return [...command.options, ...program.options].flatMap(({ long, description, hidden }) =>
      long === undefined || hidden ? [] : [{ word: long, about: description }],
    );
  const commands = command.commands.filter((each) => !each.name().startsWith('__'));
  if (commands.length > 0) return commands.map((each) => ({ word: each.name(), about: each.description() }));
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[operands.length] ?? (last?.variadic === true ? last : undefined);
  return argument ? valuesOf(command.name(), argument, context) : [];
}

/** Where the words so far lead. */
export function follow(program: Command, words: readonly string[]): Omit<Place, 'program' | 'current'> {
  let command = program;
  let operands: string[] = [];
  let pending: Option | undefined;
  for (const word of words) {
    if (pending) pending = undefined;
    else if (word.startsWith('-')) pending = waitingFor(word, [...command.options, ...program.options]);
    else {
      const next = command.commands.find((each) => each.name() === word);
      if (next) [command, operands] = [next, []];
      else operands.push(word);
    }
  }
  return { command, operands, pending };
}

const waitingFor = (word: string, options: readonly Option[]): Option | undefined =>
  options.find((option) => (option.long === word || option.short === word) && (option.required || option.optional));

/** The words before `__complete` say nothing of the profile that the words after it name. */
function givenIn(context: Context, program: Command, words: readonly string[]): Context {
  const valueOf = (long: string): string | undefined => words[words.indexOf(long) + 1];
  const given = program.options
    .filter(({ long }) => (long === '--profile' || long === '--url') && words.includes(long))
    .map((option) => [option.attributeName(), valueOf(option.long ?? '')]);
  const { environment, passSignals, signal, terminal } = context;
  return new Context({ environment, passSignals, signal, streams: terminal.streams }, Object.fromEntries(given));
}

/** What the service knows, if it says so soon enough; nothing otherwise. */
async function valuesOf(command: string, argument: Argument, context: Context): Promise<Suggestion[]> {
  if (argument.argChoices) return argument.argChoices.map((word) => ({ word, about: '' }));
  const late = Promise.withResolvers<Suggestion[]>();
  const timer = setTimeout(() => late.resolve([]), PATIENCE_MS);
  try {
    return await Promise.race([known(`${command} ${argument.name()}`, context), late.promise]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

const known = async (what: string, { api }: Context): Promise<Suggestion[]> => KNOWN[what]?.(api) ?? [];

const mayAsk = async (api: Api): Promise<Suggestion[]> =>
  (await targets(api)).flatMap(({ entitlements }) =>
    entitlements.flatMap(({ name, paths }) => (paths.length > 0 ? [{ word: name, about: '' }] : [])),
  );

const targetNames = async (api: Api): Promise<Suggestion[]> =>
  (await targets(api)).map(({ name, kind }) => ({ word: name, about: visible(kind) }));

const inbox = (api: Api): Promise<Suggestion[]> => requests(api, { box: 'inbox' });
const myGrants = (api: Api): Promise<Suggestion[]> => grants(api, { mine: true, state: 'live' });
const liveGrants = (api: Api): Promise<Suggestion[]> => grants(api, { state: 'live' });

/** By the command and the name of its argument. */
const KNOWN: Readonly<Record<string, (api: Api) => Promise<Suggestion[]>>> = {
  'request entitlement': mayAsk,
  'explain entitlement': mayAsk,
  'show name': targetNames,
  'check name': targetNames,
  'approve request': inbox,
  'deny request': inbox,
  'withdraw request': (api) => requests(api, { box: 'mine', state: 'pending' }),
  'exec grant': myGrants,
  'credential grant': myGrants,
  'done grant': myGrants,
  'revoke grant': liveGrants,
  'show id': liveGrants,
};

const targets = async (api: Api): Promise<readonly Target[]> => (await api.page<Target>('/v1/targets')).items;

const requests = async (api: Api, query: Record<string, string>): Promise<Suggestion[]> =>
  (await api.page<AccessRequest>('/v1/requests', query)).items.map(({ id, requester, entitlements }) => ({
    word: id.slice(0, 8),
    about: visible(`${requester.name}: ${entitlements.join(', ')}`),
  }));

const grants = async (api: Api, query: Record<string, string | boolean>): Promise<Suggestion[]> =>
  (await api.page<Grant>('/v1/grants', query)).items.map(({ id, entitlement, holder }) => ({
    word: id.slice(0, 8),
    about: visible(`${entitlement}, ${holder.name}`),
  }));
