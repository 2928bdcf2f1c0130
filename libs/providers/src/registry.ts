import { PostgresProvider } from './postgres/postgres.provider';
import type { Provider } from './provider';
import { UnknownProvider } from './provider.errors';
import type { TargetNetworks } from './target-networks';

/** All kinds of target that Curfew knows: one line each. */
const builtIn = (networks: TargetNetworks): readonly Provider[] => [new PostgresProvider(networks)];

/** Finds the code for a kind of target. */
export class ProviderRegistry {
  readonly #providers: ReadonlyMap<string, Provider>;

  /** What Curfew comes with, and where it goes. */
  static builtIn(networks: TargetNetworks): ProviderRegistry {
    return new ProviderRegistry(builtIn(networks));
  }

  constructor(providers: readonly Provider[]) {
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
