import { Failure } from '../failure';
import { systemReason } from '../state/cannot-keep';
import { withLock } from '../state/lock';
import type { KeptCredential } from '../state/kept-credentials';
import type { Connection } from './connection';
import type { Grant, GrantLife, PickedUp } from './shapes';
import { waitUntil } from './waiting';

const LOCK = 'credentials.lock';
const REPLACEMENT_MS = 60_000;

type Service = Pick<Connection, 'api' | 'kept' | 'folder' | 'http'>;

export interface PickedUpHere extends KeptCredential {
  /** Why it could not be kept: this is the only time that it is here. */
  readonly notKept?: string;
}

/** Takes what a grant hands over, and keeps it here until the grant ends. A second try is for the service to refuse. */
export function pickUp(service: Service, grantId: string): Promise<PickedUpHere> {
  return withLock(service.folder, LOCK, () => pickUpHeld(service, grantId));
}

/** What is kept, or else what waits to be picked up. Of two processes one picks it up, and both have it. */
export function keptOrPickedUp(service: Service, grant: Grant): Promise<PickedUpHere> {
  return withLock(service.folder, LOCK, async () => {
    const kept = service.kept.find(grant.id);
    // A replacement that somebody picked up elsewhere: what is kept here stopped to work.
    if (kept && kept.version === grant.credential?.version) return kept;
    service.kept.forget(grant.id);
    return pickUpHeld(service, grant.id);
  });
}

/** Asks for a new credential in place of a lost one, waits until it is made, and takes it. */
export async function replaceCredential(service: Service, grantId: string, signal: AbortSignal): Promise<PickedUpHere> {
  const before = await service.api.post<Grant>(`/v1/grants/${grantId}/credential/replacement`);
  const old = before.credential?.version ?? 0;
  const made = await waitUntil<GrantLife>({
    api: service.api,
    signal,
    path: `/v1/grants/${grantId}`,
    until: (grant) =>
      grant.state !== 'active' || (grant.credential?.state === 'ready' && grant.credential.version > old),
    everyMs: 250,
    patienceMs: REPLACEMENT_MS,
  });
  if (made.credential?.state !== 'ready')
    throw new Failure({
      kind: 'unavailable',
      code: 'cli.replacement_not_ready',
      message: 'the replacement is not ready yet',
      advice: 'It is still being made: pick it up with `curfew credential` in a moment.',
    });
  return pickUp(service, grantId);
}

/** What cannot be kept is not asked for; what could not be kept after all is handed on, for it is handed over once. */
async function pickUpHeld({ api, kept, http }: Service, grantId: string): Promise<PickedUpHere> {
  const { credential, entitlement } = await api.get<Grant>(`/v1/grants/${grantId}`);
  const place = kept.reserve(grantId);
  const picked = await api.postOnce<PickedUp>(`/v1/grants/${grantId}/credential`).catch((error: unknown) => {
    place.release();
    throw error;
  });
  const keeping = { ...picked, entitlement, version: credential?.version ?? 1, aheadMs: http.clock.aheadMs() };
  try {
    place.keep(keeping);
    return keeping;
  } catch (error) {
    return { ...keeping, notKept: systemReason(error) ?? 'its folder is not as it was' };
  }
}
