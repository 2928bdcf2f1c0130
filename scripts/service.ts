import { APPS, paths, type AppName, type Clone } from './clone.ts';
import { urlFor, type Database } from './database.ts';
import { explain } from './failure.ts';
import { freePortNear, isFree, LOOPBACK } from './ports.ts';
import { readPorts, rememberPorts } from './ports-file.ts';
import { writeRun, type ProcessState } from './run-file.ts';
import type { DatabaseSecrets } from './secrets.ts';
import type { Settings } from './settings.ts';
import { Supervised } from './supervised.ts';

export const API_PORT = 7_420;

export interface ServiceOptions {
  readonly clone: Clone;
  readonly settings: Settings;
  readonly database: Database;
  readonly secrets: Pick<DatabaseSecrets, 'installation' | 'passwords'>;
  /** A word for the person: something ended, is back, or had to move. */
  readonly note: (text: string) => void;
}

/** The three processes, what they are told, and what `run.json` says of them. */
export class Service {
  readonly #options: ServiceOptions;
  readonly #processes: Readonly<Record<AppName, Supervised>>;
  #database: Database;
  #port: number | undefined;
  #stopped = false;
  #isWritten = true;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#database = options.database;
    this.#processes = {
      api: this.#supervised(
        'api',
        () => this.#apiEnvironment(),
        () => this.#lostItsPort(),
      ),
      worker: this.#supervised('worker', async () => this.#workerEnvironment()),
      timekeeper: this.#supervised('timekeeper', async () => this.#environment('timekeeper')),
    };
  }

  get url(): string {
    return `http://${LOOPBACK}:${this.#port ?? API_PORT}`;
  }

  /** Resolves when all three are ready. @throws Failure when one of them does not get there */
  async start(): Promise<void> {
    await this.#choosePort();
    for (const name of APPS) this.#processes[name].start();
    await Promise.all(APPS.map((name) => this.#processes[name].ready));
  }

  /** Nobody asks any more, nothing is carried out any more, and at last nothing ends any more. */
  async stop(): Promise<void> {
    for (const name of APPS) await this.#processes[name].stop();
    this.#stopped = true;
  }

  kill(): void {
    for (const name of APPS) this.#processes[name].kill();
  }

  /** The database was started again. Where it is somewhere else now, everybody has to be told. */
  databaseIs(database: Database): void {
    const moved = database.port !== this.#database.port;
    this.#database = database;
    this.#write();
    if (moved) for (const name of APPS) this.#processes[name].renew();
  }

  #supervised(
    name: AppName,
    environment: () => Promise<NodeJS.ProcessEnv>,
    wasUnlucky?: () => Promise<boolean>,
  ): Supervised {
    const { clone, note } = this.#options;
    const program = {
      name,
      main: paths.app(clone, name),
      cwd: clone.root,
      logFile: paths.log(clone, name),
      environment,
      ...(wasUnlucky && { wasUnlucky }),
    };
    return new Supervised(program, (_, text) => {
      if (!this.#stopped) this.#write();
      if (text !== undefined) note(text);
    });
  }

  async #apiEnvironment(): Promise<NodeJS.ProcessEnv> {
    const { clone, settings } = this.#options;
    // Somebody else may have taken the port since, another clone that starts at the same time above all.
    await this.#choosePort();
    const demo = settings.demo ? { CURFEW_DEMO: '1', CURFEW_DEMO_FILE: paths.demo(clone) } : {};
    return {
      // Their working directory is the root, where `policies` is.
      ...this.#environment('api'),
      ...demo,
      PORT: String(this.#port),
      PUBLIC_URL: this.url,
      SEALING_KEY_FILE: paths.sealingKey(clone),
    };
  }

  #workerEnvironment(): NodeJS.ProcessEnv {
    const { clone } = this.#options;
    const keys = { SEALING_KEY_FILE: paths.sealingKey(clone), PROOF_KEY_FILE: paths.proofKey(clone) };
    return { ...this.#environment('worker'), ...keys };
  }

  #environment(name: AppName): NodeJS.ProcessEnv {
    const { secrets, settings } = this.#options;
    const user = { user: `curfew_${name}`, password: secrets.passwords[name] };
    const url = urlFor(this.#database.ownerUrl, user);
    // Any free port will do for health and metrics of the others: run.json says which.
    return { ...settings.processes[name], DATABASE_URL: url, HOST: LOOPBACK, PORT: '0' };
  }

  async #choosePort(): Promise<void> {
    const { clone, note, settings } = this.#options;
    const wanted = this.#port ?? settings.port ?? readPorts(clone).api ?? API_PORT;
    const port = await freePortNear(wanted);
    if (port !== wanted) note(`port ${wanted} is taken: the API is on ${port}`);
    this.#port = port;
    rememberPorts(clone, { api: port });
  }

  /** Somebody was faster between our look and its own. */
  async #lostItsPort(): Promise<boolean> {
    return this.#port !== undefined && !(await isFree(this.#port));
  }

  #write(): void {
    const { host, port, server } = this.#database;
    const database = { host, port, ...(server && { pid: server.pid }) };
    const processes = Object.fromEntries(APPS.map((name) => [name, stateOf(this.#processes[name])]));
    const url = this.#port === undefined ? undefined : this.url;
    const { clone, secrets, settings } = this.#options;
    const queue = settings.redis && { queue: `Redis ${settings.redis.where}` };
    const installation = secrets.installation === undefined ? {} : { installation: secrets.installation };
    try {
      writeRun(clone, { ...installation, url, database, ...queue, processes });
      this.#isWritten = true;
    } catch (error) {
      // A full disk ends nothing that runs; and it is said once.
      if (this.#isWritten) this.#options.note(`run.json says what was before: ${explain(error).message}`);
      this.#isWritten = false;
    }
  }
}

function stateOf({ address, pid, restarts, state }: Supervised): ProcessState {
  return { state, restarts, ...(pid !== undefined && { pid }), ...(address !== undefined && { address }) };
}
