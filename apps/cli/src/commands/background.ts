import { ProblemReply } from '../failure';
import type { Api } from '../service/api';
import type { AccessRequest, AuditEvent, Grant } from '../service/shapes';
import { isAway } from '../service/waiting';
import { exactTime } from '../terminal/times';
import { visible } from '../terminal/visible';
import { reasonWords, verdictWord } from './words';

/** What a grant comes from, as far as whoever looks may see it. */
export interface Background {
  readonly request?: AccessRequest | undefined;
  /** The event of its end, from the record. */
  readonly end?: AuditEvent | undefined;
}

type Entry = readonly [string, string | readonly string[]];

export async function backgroundOf(api: Api, { id, requestId, endReason }: Grant): Promise<Background> {
  const [request, end] = await Promise.all([
    ifShown(() => api.get<AccessRequest>(`/v1/requests/${requestId}`)),
    endReason === 'revoked' ? ifShown(() => endOf(api, id)) : undefined,
  ]);
  return { request, end };
}

/** Why it was asked for, who decided, and who revoked it. */
export function backgroundEntries(grant: Grant, { request, end }: Background): Entry[] {
  const actor = end?.members['actor'];
  return [
    ...(request ? [['why', reasonWords(request.reason)] as const, ...decidedEntries(request)] : []),
    ...(actor === undefined ? [] : [['revoked by', visible(nameOf(actor, grant, request))] as const]),
  ];
}

/** When who decided how, one after the other. */
export const decidedEntries = (request: AccessRequest): Entry[] =>
  request.decisions.map(({ by, verdict, at }, i) => [
    i === 0 ? 'decisions' : '',
    `${exactTime(at)}  ${verdictWord(verdict)} by ${by === null ? 'the policies' : visible(by.name)}`,
  ]);

async function endOf(api: Api, grantId: string): Promise<AuditEvent | undefined> {
  const { items } = await api.page<AuditEvent>('/v1/audit/events', { subject: grantId, limit: 100 });
  // The newest first: of those that bear the reason, the one that set it is the last.
  return items.findLast(({ members }) => members['endReason'] === 'revoked');
}

/** Somebody who had to do with it by name, anybody else by their whole id, which `audit list --actor` takes. */
function nameOf(actor: string, { holder }: Grant, request: AccessRequest | undefined): string {
  const known = [holder, ...(request?.decisions ?? []).flatMap(({ by }) => by ?? [])];
  return known.find(({ id }) => id === actor)?.name ?? actor;
}

/** What is refused, or is not to be had now, is left out: the life of the grant is there without it. */
async function ifShown<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof ProblemReply || isAway(error)) return undefined;
    throw error;
  }
}
