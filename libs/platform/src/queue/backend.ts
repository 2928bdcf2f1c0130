import {
  createPostgresBackend,
  createRedisBackend,
  withBackend,
  type BackendFactory,
  type IQueueBackend,
  type Worker,
} from 'bullmq';
import { Redis } from 'ioredis';
import type { Secret } from '@app/kernel';

/** The PostgreSQL schema of BullMQ's own tables. */
export const QUEUE_SCHEMA = 'bullmq';

const NAME = 'operations';

export interface Job {
  readonly name: 'look' | 'canary';
  readonly data: { readonly id: string };
  readonly opts: { readonly jobId: string; readonly removeOnComplete: true; readonly removeOnFail: true };
}

interface Emitter {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  close(): Promise<void>;
}

export interface QueueHandle extends Emitter {
  /** The job, as long as it is in the queue: until it is done. */
  getJob(id: string): Promise<unknown>;
  add(name: Job['name'], data: Job['data'], opts: Job['opts']): Promise<unknown>;
}

export type WorkerHandle = Emitter & Pick<Worker, 'pause'>;

type Process = (job: Pick<Job, 'data'> & { readonly name: string }) => Promise<void>;

/** What a worker tells of itself. */
export interface WorkerOptions {
  readonly concurrency: number;
  /** It asks the queue for a job. One that is well does so every few seconds, whoever gets the jobs. */
  readonly onAsk: () => void;
}

/** What differs between the two queue backends. */
export interface QueueBackend {
  queue(): QueueHandle;
  worker(process: Process, options: WorkerOptions): WorkerHandle;
  /** Whether the server answers; it may take as long as it likes. */
  answers(): Promise<boolean>;
  close(): Promise<void>;
}

export function queueBackend(options: {
  readonly databaseUrl: Secret<string>;
  readonly redisUrl?: Secret<string> | undefined;
  readonly onError: (error: unknown) => void;
}): QueueBackend {
  return options.redisUrl ? onRedis(options.redisUrl, options.onError) : onPostgres(options.databaseUrl);
}

function onPostgres(url: Secret<string>): QueueBackend {
  const connection = { connectionString: url.reveal(), schema: QUEUE_SCHEMA, max: 2 };
  const { Queue } = withBackend(createPostgresBackend);
  return {
    queue: () => new Queue(NAME, { connection }),
    worker: (process, { concurrency, onAsk }) => {
      const { Worker } = withBackend(telling(createPostgresBackend, onAsk));
      return new Worker(NAME, process, { connection, concurrency });
    },
    // It is the database, which has a check of its own.
    answers: () => Promise.resolve(true),
    close: () => Promise.resolve(),
  };
}

function onRedis(url: Secret<string>, onError: (error: unknown) => void): QueueBackend {
  // BullMQ wants no limit on retries for a connection that blocks.
  const client = new Redis(url.reveal(), { maxRetriesPerRequest: null });
  client.on('error', onError);
  const { Queue } = withBackend(createRedisBackend);
  return {
    queue: () => new Queue(NAME, { connection: client }),
    worker: (process, { concurrency, onAsk }) => {
      const { Worker } = withBackend(telling(createRedisBackend, onAsk));
      return new Worker(NAME, process, { connection: client, concurrency });
    },
    // Without a connection a question would wait for one, and be asked then.
    answers: async () => client.status === 'ready' && (await client.ping()) === 'PONG',
    close: () => {
      client.disconnect();
      return Promise.resolve();
    },
  };
}

/** BullMQ says nothing of a worker that has stopped asking; what it asks goes through here. */
function telling<B extends IQueueBackend, C>(factory: BackendFactory<B, C>, onAsk: () => void): BackendFactory<B, C> {
  return (...given) => {
    const backend = factory(...given);
    const moveToActive = backend.moveToActive.bind(backend);
    backend.moveToActive = (...words) => {
      onAsk();
      return moveToActive(...words);
    };
    return backend;
  };
}
