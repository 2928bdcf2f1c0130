import { ProblemReply } from '../failure';
import { NotPrivate, PrivateFolder } from '../state/private-files';
import { KeptCredentials } from '../state/kept-credentials';
import type { Api } from './api';
import { ServerClock } from './server-clock';
import { isOver } from './shapes';

/** How long a command that is done asks after what it has not heard of, in milliseconds. */
const PATIENCE_MS = 2_000;

/**
 * What is kept of a grant goes when its grant ends, whoever ended it: as soon as an answer says so, whatever was asked, and
 * at the end of each command the service is asked about those of which none of its answers spoke.
 */
export class Upkeep {
  readonly #heardOf = new Set<string>();
  #hasHeard = false;

  constructor(private readonly kept: KeptCredentials) {}

  /** Learns from an answer. */
  hear(body: unknown): void {
    this.#hasHeard = true;
    const states = new Map(statesIn(body));
    for (const id of states.keys()) this.#heardOf.add(id);
    unlessNotPrivate(() => {
      for (const id of this.kept.ids()) if (isOver(states.get(id) ?? '')) this.kept.forget(id);
    });
  }

  async finish(api: Pick<Api, 'getWhile'>, clock: ServerClock): Promise<void> {
    if (!this.#hasHeard) return;
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const unheardOf = unlessNotPrivate(() => {
      this.kept.forgetExpired(() => clock.certainly());
      return this.kept.ids().filter((id) => !this.#heardOf.has(id));
    });
    await Promise.all(
      (unheardOf ?? []).map((id) =>
        // What cannot be seen any more is no use either; whatever else goes wrong is asked again the next time.
        api.getWhile(signal, `/v1/grants/${id}`).catch((error: unknown) => {
          if (error instanceof ProblemReply && error.kind === 'not_found') this.kept.forget(id);
        }),
      ),
    );
  }
}

const PROFILE_FOLDER = /@[0-9a-f]{16}$/;

/**
 * Forgets what has expired, of every profile at every service, without asking any: by the clock of this machine, and by how
 * far the service's was ahead of it.
 */
export function forgetExpired(stateFolder: string): void {
  const folder = new PrivateFolder(stateFolder);
  // No service has said anything yet: it says what this machine believes.
  const wall = new ServerClock().now();
  for (const name of unlessNotPrivate(() => folder.list()) ?? []) {
    if (!PROFILE_FOLDER.test(name)) continue;
    const kept = new KeptCredentials(folder.folder(name));
    unlessNotPrivate(() => kept.forgetExpired(({ aheadMs }) => wall + aheadMs));
  }
}

/** The states of the things in an answer, by id: a thing, a page of them, a request with its grants. */
function* statesIn(body: unknown): Generator<[string, string]> {
  const { id, state, items, grants } = (body ?? {}) as Record<string, unknown>;
  if (typeof id === 'string' && typeof state === 'string') yield [id, state];
  for (const list of [items, grants]) if (Array.isArray(list)) for (const each of list) yield* statesIn(each);
}

/** What is not private is refused with words by whoever needs it. */
function unlessNotPrivate<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof NotPrivate) return undefined;
    throw error;
  }
}
