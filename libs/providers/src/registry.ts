import { PostgresProvider } from './postgres/postgres.provider';
import type { Provider } from './provider';
import { UnknownProvider } from './provider.errors';

/** All kinds of target that Curfew knows: one line each. */
const BUILT_IN: readonly Provider[] = [new PostgresProvider()];

/** Finds the code for a kind of target. */
export class ProviderRegistry {
  readonly #providers: ReadonlyMap<string, Provider>;

  constructor(providers: readonly Provider[] = BUILT_IN) {
    this.#providers = new Map(providers.map((provider) => [provider.kind, provider]));
    if (this.#providers.size !== providers.length) throw new Error('two providers claim the same kind of target');
  }

  get kinds(): readonly string[] {
    return [...this.#providers.keys()];
  }

  /** @throws UnknownProvider, which names the known kinds */
  get(kind: string): Provider {
    const provider = this.#providers.get(kind);
    if (!provider) throw new UnknownProvider(kind, this.kinds);
    return provider;
  }
}
