import type { Secret } from '@app/kernel';
import { Canary, type Shaft } from './canary';
import { queueBackend, type Job, type QueueBackend, type QueueHandle, type WorkerHandle } from './backend';

/** How long a ring waits for the queue. It is a doorbell: the row in `operations` is the work, and the sweep finds it anyway. */
const RING_TIMEOUT_MS = 500;

export interface QueueConnection {
  readonly databaseUrl: Secret<string>;
  /** BullMQ on Redis when given, on PostgreSQL otherwise. */
  readonly redisUrl?: Secret<string> | undefined;
  readonly onError: (error: unknown) => void;
  /** How often a canary is let into the queue, in milliseconds; 5 s unless told. */
  readonly canaryMs?: number;
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

/** What a worker does with what it hears. */
export interface Listener {
  /** Called for each id that is rung. */
  readonly answer: (operationId: string) => Promise<void>;
  /** Called once when this process takes no jobs any more although the queue answers; never when the queue is merely away. */
  readonly onDeaf: () => void;
}

/** The worker's end of the bell. */
export abstract class BellListener {
  /** Listens from now on, to `concurrency` rings at a time. */
  abstract listen(concurrency: number, listener: Listener): void;
  /** Seconds since a canary job of ours was last seen to come through the queue, to whichever worker. */
  abstract silentSeconds(): number;
}

/** The bell on BullMQ: the same code on PostgreSQL and on Redis. */
export class BullBell extends Bell implements BellListener {
  readonly #onError: (error: unknown) => void;
  #queue: QueueHandle | undefined;
  #worker: WorkerHandle | undefined;
  #canary: Canary | undefined;
  #inHand = 0;
  #asking: Promise<boolean> | undefined;

  constructor(
    private readonly connection: QueueConnection,
    private readonly backend: QueueBackend = queueBackend(connection),
  ) {
    super();
    this.#onError = connection.onError;
  }

  async ring(rings: readonly Ring[]): Promise<void> {
    if (rings.length > 0) await this.#add(rings.map(({ id, fence }) => look(id, fence)));
  }

  isHeard(): Promise<boolean> {
    // One question at a time: a server that hangs is not asked again by each who looks.
    this.#asking ??= this.backend
      .answers()
      .catch(() => false)
      .finally(() => (this.#asking = undefined));
    return this.#patiently(this.#asking);
  }

  listen(concurrency: number, { answer, onDeaf }: Listener): void {
    const shaft: Shaft = {
      letIn: (id) => this.#add([{ name: 'canary', data: { id: 'canary' }, opts: { jobId: id, ...FORGET } }]),
      isOut: (id) => this.#patiently(this.#isGone(id)),
    };
    const everyMs = this.connection.canaryMs;
    const canary = new Canary(shaft, { isFull: () => this.#inHand >= concurrency, onDeaf, everyMs });
    this.#canary = canary;
    const carryOut = async (job: Pick<Job, 'data'> & { readonly name: string }): Promise<void> => {
      // What follows a job is taken together with its end, and not asked for.
      canary.asked();
      this.#inHand += 1;
      try {
        if (job.name === 'canary') canary.heard();
        else await answer(job.data.id);
      } finally {
        this.#inHand -= 1;
      }
    };
    this.#worker = this.backend.worker(carryOut, { concurrency, onAsk: () => canary.asked() });
    this.#worker.on('error', this.#onError);
  }

  silentSeconds(): number {
    return this.#canary?.silentSeconds() ?? 0;
  }

  async close(): Promise<void> {
    this.#canary?.stop();
    await this.#worker?.close();
    await this.#queue?.close();
    await this.backend.close();
  }

  #add(jobs: Job[]): Promise<boolean> {
    return this.#patiently(this.#isTaken(jobs));
  }

  /** One by one: in bulk, the PostgreSQL backend makes sequences and temporary tables as the caller, who has no right to. */
  async #isTaken(jobs: Job[]): Promise<true> {
    await Promise.all(jobs.map(({ name, data, opts }) => this.#open().add(name, data, opts)));
    return true;
  }

  async #isGone(id: string): Promise<boolean> {
    return (await this.#open().getJob(id)) === undefined;
  }

  #open(): QueueHandle {
    if (!this.#queue) {
      this.#queue = this.backend.queue();
      // Without a listener a lost connection would end the process.
      this.#queue.on('error', this.#onError);
    }
    return this.#queue;
  }

  /** @returns what the queue says; `false` when it does not answer in time, or fails */
  async #patiently(asked: Promise<boolean>): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), RING_TIMEOUT_MS);
    const failed = (error: unknown): boolean => {
      this.#onError(error);
      return false;
    };
    const answer = await Promise.race([asked.catch(failed), late.promise]);
    clearTimeout(timer);
    return answer;
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
