import type { Secret } from '@app/kernel';
import { queueBackend, type Job, type QueueBackend, type QueueHandle, type WorkerHandle } from './backend';

/** How long a ring waits for the queue. It is a doorbell: the row in `operations` is the work, and the sweep finds it anyway. */
const RING_TIMEOUT_MS = 500;
const CANARY_INTERVAL_MS = 5_000;

export interface QueueConnection {
  readonly databaseUrl: Secret<string>;
  /** BullMQ on Redis when given, on PostgreSQL otherwise. */
  readonly redisUrl?: Secret<string> | undefined;
  readonly onError: (error: unknown) => void;
}

/** One row of `operations` to look at, as it was when the bell was rung. */
export interface Ring {
  readonly id: string;
  /** In the job's id: a ring for a row that has moved on is another job, and is not swallowed by the old one. */
  readonly fence: string;
}

/** Tells workers to look at rows of `operations`. A job is an id, never an instruction, a state or a secret. */
export abstract class Bell {
  /** Never throws and never waits long: nothing depends on it but promptness. */
  abstract ring(rings: readonly Ring[]): Promise<void>;
  /** Whether somebody would hear it, as far as this end can tell. Never throws and never waits long. */
  abstract isHeard(): Promise<boolean>;
  abstract close(): Promise<void>;
}

/** The worker's end of the bell. */
export abstract class BellListener {
  /** Calls `answer` for each id that is rung, `concurrency` at a time. */
  abstract listen(concurrency: number, answer: (operationId: string) => Promise<void>): void;
  /** Seconds since a canary job last came through; workers can stop silently, and only this shows it. */
  abstract silentSeconds(): number;
}

/** The bell on BullMQ: the same code on PostgreSQL and on Redis. */
export class BullBell extends Bell implements BellListener {
  readonly #backend: QueueBackend;
  readonly #onError: (error: unknown) => void;
  #queue: QueueHandle | undefined;
  #worker: WorkerHandle | undefined;
  #canary: NodeJS.Timeout | undefined;
  #heardAt = performance.now();
  #asking: Promise<boolean> | undefined;

  constructor(connection: QueueConnection) {
    super();
    this.#onError = connection.onError;
    this.#backend = queueBackend(connection);
  }

  ring(rings: readonly Ring[]): Promise<void> {
    return rings.length === 0 ? Promise.resolve() : this.#add(rings.map(({ id, fence }) => look(id, fence)));
  }

  async isHeard(): Promise<boolean> {
    const timeout = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => timeout.resolve(false), RING_TIMEOUT_MS);
    // One question at a time: a server that hangs is not asked again by each who looks.
    this.#asking ??= this.#backend
      .answers()
      .catch(() => false)
      .finally(() => (this.#asking = undefined));
    const answers = await Promise.race([this.#asking, timeout.promise]);
    clearTimeout(timer);
    return answers;
  }

  listen(concurrency: number, answer: (operationId: string) => Promise<void>): void {
    this.#worker = this.#backend.worker(concurrency, async (job) => {
      if (job.name === 'canary') this.#heardAt = performance.now();
      else await answer(job.data.id);
    });
    this.#worker.on('error', this.#onError);
    let count = 0;
    this.#canary = setInterval(() => {
      count += 1;
      void this.#add([
        { name: 'canary', data: { id: 'canary' }, opts: { jobId: `canary-${process.pid}-${count}`, ...FORGET } },
      ]);
    }, CANARY_INTERVAL_MS).unref();
  }

  silentSeconds(): number {
    return (performance.now() - this.#heardAt) / 1_000;
  }

  async close(): Promise<void> {
    clearInterval(this.#canary);
    await this.#worker?.close();
    await this.#queue?.close();
    await this.#backend.close();
  }

  async #add(jobs: Job[]): Promise<void> {
    if (!this.#queue) {
      this.#queue = this.#backend.queue();
      // Without a listener a lost connection would end the process.
      this.#queue.on('error', this.#onError);
    }
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, RING_TIMEOUT_MS);
    const queue = this.#queue;
    // One by one: in bulk, the PostgreSQL backend makes sequences and temporary tables as the caller, who has no right to.
    const added = Promise.all(jobs.map(({ name, data, opts }) => queue.add(name, data, opts)));
    await Promise.race([added.then(() => undefined, this.#onError), timeout.promise]);
    clearTimeout(timer);
  }
}

/** Jobs leave the queue when done: a kept job would swallow the next ring with its id. */
const FORGET = { removeOnComplete: true, removeOnFail: true } as const;

/** No `:` in a job's id: BullMQ separates with it. */
const look = (id: string, fence: string): Job => ({
  name: 'look',
  data: { id },
  opts: { jobId: `${id}-${fence}`, ...FORGET },
});
