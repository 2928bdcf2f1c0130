import { asTyped } from './as-typed';
import type { Environment } from './environment';
import { Api } from './service/api';
import { findService } from './service/address';
import type { Connection } from './service/connection';
import { Http } from './service/http';
import { ServerClock } from './service/server-clock';
import { Session } from './service/session';
import { Upkeep } from './service/upkeep';
import { DEFAULT_PROFILE, LastService, parseProfile, profileFolder } from './state/profile';
import { KeptCredentials } from './state/kept-credentials';
import { Terminal, type Streams } from './terminal/terminal';

/** The options that every command takes. */
export interface GlobalOptions {
  readonly profile?: string;
  readonly url?: string;
  readonly json?: boolean;
  /** `false` with `--no-color`. */
  readonly color?: boolean;
}

/** What the process gives a command. */
export interface Surroundings {
  readonly environment: Environment;
  readonly streams: Streams;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** From here on signals are somebody else's. @returns what makes them ours again */
  readonly passSignals: (to: (signal: NodeJS.Signals) => void) => () => void;
}

/** What a command works with: the terminal, and one profile at one service. */
export class Context {
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly passSignals: Surroundings['passSignals'];
  readonly terminal: Terminal;
  readonly profile: string;
  #connection: Connection | undefined;

  constructor(
    { environment, streams, signal, passSignals }: Surroundings,
    private readonly options: GlobalOptions,
  ) {
    this.environment = environment;
    this.signal = signal;
    this.passSignals = passSignals;
    this.terminal = new Terminal(streams, {
      json: options.json === true,
      plain: environment.plain || options.color === false,
    });
    this.profile = parseProfile(options.profile ?? environment.profile);
  }

  /** Found when it is first needed: not every command needs a service. */
  get connection(): Connection {
    return (this.#connection ??= this.#connect());
  }

  get api(): Api {
    return this.connection.api;
  }

  /** The time that relative times are relative to. */
  get now(): number {
    return this.connection.http.clock.now();
  }

  /** A command to suggest, as it works for whoever reads it. */
  suggest(words: string): string {
    const isOption = this.options.profile !== undefined && this.profile !== DEFAULT_PROFILE;
    return `${this.environment.command} ${words}${isOption ? ` --profile ${this.profile}` : ''}`;
  }

  /** A text that names commands as everybody writes them, with those that work for whoever reads it. */
  readonly asTyped = (text: string): string => asTyped(text, (words) => this.suggest(words));

  /** Forgets kept credentials whose grants have ended meanwhile, where the service was spoken to. */
  async tidy(): Promise<void> {
    if (!this.#connection || this.signal.aborted) return;
    const { api, http, upkeep } = this.#connection;
    await upkeep.finish(api, http.clock);
  }

  #connect(): Connection {
    const { stateFolder } = this.environment;
    const last = new LastService(stateFolder, this.profile);
    const address = findService(this.options.url, this.environment, last);
    const http = new Http(address.locate, new ServerClock());
    const folder = profileFolder(stateFolder, this.profile, address.service);
    const session = new Session(folder, http);
    const kept = new KeptCredentials(folder);
    const upkeep = new Upkeep(kept);
    return {
      address,
      last,
      http,
      session,
      kept,
      upkeep,
      folder,
      api: new Api(http, session, this.signal, (body) => upkeep.hear(body)),
    };
  }
}
