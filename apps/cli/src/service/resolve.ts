import { ENTITLEMENT_NAME } from '@app/kernel';
import { Failure, UsageError } from '../failure';
import type { Api } from './api';
import { isOver, type AccessRequest, type Grant } from './shapes';

const WHOLE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PREFIX = /^[0-9a-f][0-9a-f-]{3,35}$/;

export const isEntitlement = (text: string): boolean => ENTITLEMENT_NAME.test(text);

/** What people may write for an id: all of it, or its beginning where that is only one. */
function parseId(text: string): string {
  const id = text.toLowerCase();
  if (WHOLE.test(id) || PREFIX.test(id)) return id;
  throw new UsageError(
    `not an id: ${text.slice(0, 60)}`,
    'The first 4 characters or more of an id do, as the lists show it.',
  );
}

/** The id of a grant: an id, its beginning, or `target/entitlement` for the one live grant of mine. */
export async function grantId(api: Api, text: string, whose: 'mine' | 'any'): Promise<string> {
  if (isEntitlement(text)) return usableGrantOn(api, text);
  const id = parseId(text);
  if (WHOLE.test(id)) return id;
  const mine = whose === 'mine' ? { mine: true } : {};
  // Those that live are few, and most often meant.
  const live = matching(await api.all<Grant>('/v1/grants', { ...mine, state: 'live' }), id);
  const noun = whose === 'mine' ? 'grant of yours' : 'grant';
  return only(live.length > 0 ? live : matching(await api.all<Grant>('/v1/grants', mine), id), text, noun);
}

/** The same, where one that has ended will do: the newest of mine on an entitlement, when none of them lives. */
export async function grantIdPast(api: Api, text: string): Promise<string> {
  return isEntitlement(text) ? newestGrantOn(api, text) : grantId(api, text, 'mine');
}

/** The id of a request: an id or its beginning. */
export async function requestId(api: Api, text: string, box?: 'mine' | 'inbox'): Promise<string> {
  const id = parseId(text);
  if (WHOLE.test(id)) return id;
  if (box !== undefined) {
    const inBox = matching(await api.all<AccessRequest>('/v1/requests', { box, state: 'pending' }), id);
    if (inBox.length > 0) return only(inBox, text, 'request');
  }
  return only(matching(await api.all<AccessRequest>('/v1/requests'), id), text, 'request');
}

/** A grant or a request, whichever has the id. */
export async function eitherId(api: Api, text: string): Promise<{ kind: 'grant' | 'request'; id: string } | string> {
  if (isEntitlement(text)) return { kind: 'grant', id: await newestGrantOn(api, text) };
  const id = parseId(text);
  if (WHOLE.test(id)) return id;
  const grants = matching(await api.all<Grant>('/v1/grants'), id).map((grant) => ({
    kind: 'grant' as const,
    id: grant,
  }));
  const requests = matching(await api.all<AccessRequest>('/v1/requests'), id).map((request) => ({
    kind: 'request' as const,
    id: request,
  }));
  const found = [...grants, ...requests];
  only(
    found.map((each) => each.id),
    text,
    'grant or request',
  );
  return found[0] ?? id;
}

/** The command that asks for it, as advice. */
export const askFor = (entitlement: string): string => `\`curfew request ${entitlement} --for 30m --reason "…"\``;

async function usableGrantOn(api: Api, entitlement: string): Promise<string> {
  const found = await liveGrantOn(api, entitlement);
  if (found === undefined)
    throw new Failure({
      kind: 'not_found',
      code: 'cli.no_live_grant',
      message: `you have no live grant on ${entitlement}`,
      advice: `Ask for one: ${askFor(entitlement)}.`,
    });
  return found;
}

async function newestGrantOn(api: Api, entitlement: string): Promise<string> {
  const live = await liveGrantOn(api, entitlement);
  if (live !== undefined) return live;
  for await (const { id, entitlement: on } of api.each<Grant>('/v1/grants', { mine: true }))
    if (on === entitlement) return id;
  throw new Failure({
    kind: 'not_found',
    code: 'cli.no_grant',
    message: `you have never had a grant on ${entitlement}`,
    advice: '`curfew grants --all --mine` shows those that you had.',
  });
}

async function liveGrantOn(api: Api, entitlement: string): Promise<string | undefined> {
  const live = await api.all<Grant>('/v1/grants', { mine: true, state: 'live' });
  const on = live.filter((grant) => grant.entitlement === entitlement);
  // One that ends is of no use to somebody who has another.
  const usable = on.filter(({ state }) => !isOver(state));
  const ids = (usable.length > 0 ? usable : on).map(({ id }) => id);
  return ids.length === 0 ? undefined : only(ids, entitlement, 'grant of yours');
}

const matching = (items: readonly { id: string }[], prefix: string): string[] =>
  items.flatMap(({ id }) => (id.startsWith(prefix) ? [id] : []));

function only(ids: readonly string[], text: string, noun: string): string {
  const [first, ...others] = ids;
  if (first === undefined)
    throw new Failure({
      kind: 'not_found',
      code: 'cli.no_such_id',
      message: `no ${noun} begins with ${text}`,
      advice: 'The lists show what you may see; a whole id finds what they do not reach.',
    });
  if (others.length > 0)
    throw new UsageError(`there are ${ids.length} for ${text}`, `Say which: ${ids.slice(0, 5).join(', ')}.`);
  return first;
}
