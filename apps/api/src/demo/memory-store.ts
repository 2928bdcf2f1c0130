import type { Adapter, AdapterPayload } from 'oidc-provider';

const MAX_ENTRIES = 1_000;

interface Entry {
  payload: AdapterPayload;
  readonly endsAtMs: number;
}

/**
 * What the embedded provider remembers of one kind: at most 1,000 entries, the oldest go first. It forgets all of it when
 * the process ends: who was at the sign-in page begins again, who is signed in to Curfew does not notice.
 */
export class MemoryStore implements Adapter {
  readonly #entries = new Map<string, Entry>();

  upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    this.#entries.delete(id);
    this.#makeRoom();
    this.#entries.set(id, { payload, endsAtMs: performance.now() + (expiresIn ?? Number.POSITIVE_INFINITY) * 1_000 });
    return Promise.resolve();
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    const entry = this.#entries.get(id);
    return Promise.resolve(entry && isLive(entry) ? { ...entry.payload } : undefined);
  }

  findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#findBy((payload) => payload.userCode === userCode);
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#findBy((payload) => payload.uid === uid);
  }

  consume(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    // Any truthy value: the provider only asks whether it was.
    if (entry) entry.payload = { ...entry.payload, consumed: true };
    return Promise.resolve();
  }

  destroy(id: string): Promise<void> {
    this.#entries.delete(id);
    return Promise.resolve();
  }

  revokeByGrantId(grantId: string): Promise<void> {
    for (const [id, { payload }] of this.#entries) if (payload.grantId === grantId) this.#entries.delete(id);
    return Promise.resolve();
  }

  #findBy(matches: (payload: AdapterPayload) => boolean): Promise<AdapterPayload | undefined> {
    for (const entry of this.#entries.values())
      if (matches(entry.payload) && isLive(entry)) return Promise.resolve({ ...entry.payload });
    return Promise.resolve(undefined);
  }

  #makeRoom(): void {
    for (const [id, entry] of this.#entries) if (!isLive(entry)) this.#entries.delete(id);
    for (const id of this.#entries.keys()) {
      if (this.#entries.size < MAX_ENTRIES) return;
      this.#entries.delete(id);
    }
  }
}

const isLive = (entry: Entry): boolean => entry.endsAtMs > performance.now();
