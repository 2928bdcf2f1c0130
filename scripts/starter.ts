import { buildMissing } from './build.ts';
import { APPS, type Clone } from './clone.ts';
import { migrate, openEmbedded, openExternal, type Database } from './database.ts';
import { DEMO_DATABASE, seedDemo, type Demo } from './demo-target.ts';
import { stopServer } from './embedded-postgres.ts';
import { guard, type Guardian } from './guardian.ts';
import { rotateLogs } from './logs.ts';
import { readPorts, rememberPorts } from './ports-file.ts';
import { whySilent } from './redis.ts';
import { announceRun, removeRun, waitForLeftovers } from './run-file.ts';
import { databaseSecrets, ensureKeys, sealElsewhere, type DatabaseSecrets } from './secrets.ts';
import { claimServerFolder, foldersOf } from './server-folder.ts';
import { Service } from './service.ts';
import type { Settings } from './settings.ts';
import type { StopRequests } from './stop-requests.ts';
import type { Terminal } from './terminal.ts';
import { watchServer } from './watch-server.ts';
import { welcome } from './welcome.ts';

const ROTATE_MS = 60_000;

export interface StarterOptions {
  readonly clone: Clone;
  readonly settings: Settings;
  readonly stop: StopRequests;
  readonly terminal: Terminal;
  /** The folder that npm was called from. */
  readonly from: string;
}

/** Brings everything up, keeps it up until somebody wants it to end, and takes it down in order. */
export class Starter {
  readonly #options: StarterOptions;
  #guardian: Guardian | undefined;
  #secrets: DatabaseSecrets | undefined;
  #service: Service | undefined;
  #why = '';
  #endWatch: (() => Promise<void>) | undefined;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /** @returns when everything has ended again. @throws Failure when it did not get that far */
  async run(): Promise<void> {
    const { stop } = this.#options;
    try {
      void stop.requested.then((by) => (this.#why = by === 'SIGINT' ? '' : ` (${by})`));
      await this.#start();
      await stop.requested;
    } finally {
      await this.#stop();
      removeRun(this.#options.clone);
    }
  }

  async #start(): Promise<void> {
    const { clone, stop, terminal } = this.#options;
    announceRun(clone);
    await waitForLeftovers(clone);
    rotateLogs(`${clone.home}/logs`);
    await buildMissing(clone, terminal, stop.signal);
    const database = await this.#openDatabase();
    const demo = await this.#prepareDatabase(database);
    this.#proceed();
    const queue = this.#lookForQueue();
    await this.#startService(database);
    this.#proceed();
    (await queue)();
    setInterval(() => rotateLogs(`${clone.home}/logs`), ROTATE_MS).unref();
    const url = this.#service?.url ?? '';
    const data = database.server && this.#secrets && foldersOf(clone, this.#secrets.serverFolder);
    const accounts = this.#options.settings.demoAccounts ? demo : undefined;
    welcome(terminal, clone, { url, demo: accounts, data, from: this.#options.from });
  }

  /** Nothing is begun after somebody asked to stop. */
  #proceed(): void {
    this.#options.stop.signal.throwIfAborted();
  }

  async #openDatabase(): Promise<Database> {
    const { clone, settings, terminal } = this.#options;
    ensureKeys(clone);
    const secrets = databaseSecrets(clone);
    this.#secrets = secrets;
    const url = settings.databaseUrl;
    this.#proceed();
    const open = (): Promise<Database> => (url === undefined ? this.#openEmbedded(secrets) : this.#openExternal(url));
    return terminal.step('Starting PostgreSQL', open, ({ host, port, server }, seconds) =>
      server
        ? `PostgreSQL on ${host}:${port} ${server.adopted ? 'ran already: taken over' : `started in ${seconds} s`}`
        : `PostgreSQL on ${host}:${port} as DATABASE_URL says`,
    );
  }

  async #openEmbedded(secrets: DatabaseSecrets): Promise<Database> {
    const { clone, terminal } = this.#options;
    // First: nobody must end, or watch over, a server that is another clone's.
    claimServerFolder(clone, secrets.serverFolder);
    this.#guardian ??= guard(secrets.serverFolder);
    const last = readPorts(clone).database;
    const database = await openEmbedded(clone, secrets, last);
    if (last !== undefined && last !== database.port)
      terminal.warn(`port ${last} is taken: PostgreSQL is on ${database.port}`);
    rememberPorts(clone, { database: database.port });
    return database;
  }

  async #openExternal(url: string): Promise<Database> {
    const { clone, settings } = this.#options;
    const database = await openExternal(url, settings.demo ? DEMO_DATABASE : undefined);
    sealElsewhere(clone, `${database.host}:${database.port}/${database.name}`);
    return database;
  }

  async #prepareDatabase(database: Database): Promise<Demo | undefined> {
    const { clone, settings, stop, terminal } = this.#options;
    const passwords = this.#secrets?.passwords;
    if (!passwords) throw new Error('the passwords are read before the database is opened');
    const work = async (): Promise<Demo | undefined> => {
      const migrated = migrate(clone, database, passwords, { env: settings.system, signal: stop.signal });
      // On somebody else's server nothing is made before it is known that Curfew may be there.
      if (!database.server) await migrated;
      const seeded = settings.demo ? seedDemo(clone, database) : undefined;
      const [demo] = await Promise.all([seeded, migrated]);
      return demo;
    };
    return terminal.step('Migrating', work, (demo, seconds) => {
      const what = demo ? 'Database migrated and demo database "orders" ready' : 'Database migrated';
      return `${what} in ${seconds} s`;
    });
  }

  async #startService(database: Database): Promise<void> {
    const { clone, settings, stop, terminal } = this.#options;
    const secrets = this.#secrets;
    if (!secrets) throw new Error('the passwords are read before the processes are started');
    const note = (text: string): void => terminal.warn(text);
    const service = new Service({ clone, settings, database, secrets, note });
    this.#service = service;
    stop.onHurry(() => service.kill());
    if (database.server) {
      this.#endWatch = watchServer(
        database,
        () => this.#openEmbedded(secrets),
        (event) => {
          // Whoever reads the word finds it so in run.json.
          if (event.database) service.databaseIs(event.database);
          note(event.note);
        },
      );
    }
    await terminal.step(
      `Starting ${APPS.join(', ')}`,
      () => Promise.race([service.start(), stop.requested.then(() => this.#proceed())]),
      (_, seconds) => `${APPS.join(', ')} ready in ${seconds} s`,
    );
  }

  /** Nothing waits for the queue; but whoever mistyped its address should not learn it from a log. @returns what says it */
  async #lookForQueue(): Promise<() => void> {
    const { settings, terminal } = this.#options;
    const { redis } = settings;
    if (!redis) return () => undefined;
    const why = await whySilent(redis);
    if (why === undefined) return () => terminal.done(`Redis ${redis.where} as REDIS_URL says`);
    return () => {
      terminal.warn(`Redis ${redis.where}, as REDIS_URL says, does not answer: ${why}`);
      terminal.say(
        '  Curfew runs without it: work begins up to a quarter of a second later. It is used as soon as it answers.',
      );
      terminal.say('  Is it the right address? Mend REDIS_URL and start again; without it the queue is in PostgreSQL.');
    };
  }

  /** Who uses the database first, the database last. */
  async #stop(): Promise<void> {
    const { settings, terminal } = this.#options;
    const folder = settings.databaseUrl === undefined ? this.#secrets?.serverFolder : undefined;
    const work = async (): Promise<void> => {
      await this.#service?.stop();
      await this.#endWatch?.();
      if (folder !== undefined) await stopServer(folder);
      await this.#guardian?.dismiss();
    };
    if (this.#guardian || this.#service)
      await terminal.step('Stopping', work, (_, seconds) => `Stopped in ${seconds} s${this.#why}`);
  }
}
