import { IdentityProvider } from '@app/identity';

/** Whoever looks waits no longer for an answer, in milliseconds. */
const PATIENCE_MS = 1_000;

/** Whether the provider answers. However often somebody looks, it is asked once in a while, and once at a time. */
export class ProviderWatch {
  #askedAt = -Infinity;
  #answers: Promise<boolean> = Promise.resolve(false);

  constructor(
    private readonly provider: Pick<IdentityProvider, 'reach'>,
    private readonly everyMs = 30_000,
  ) {}

  /** `false` as well while it keeps us waiting. */
  async answers(): Promise<boolean> {
    const now = performance.now();
    if (now - this.#askedAt >= this.everyMs) {
      this.#askedAt = now;
      this.#answers = this.provider.reach().then(
        () => true,
        () => false,
      );
    }
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), PATIENCE_MS);
    try {
      return await Promise.race([this.#answers, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
