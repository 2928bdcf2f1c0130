import { createPostgresBackend, Queue, withBackend, Worker } from 'bullmq';
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
  add(name: Job['name'], data: Job['data'], opts: Job['opts']): Promise<unknown>;
}

export type WorkerHandle = Emitter;

type Process = (job: Pick<Job, 'data'> & { readonly name: string }) => Promise<void>;

/** What differs between the two queue backends. */
export interface QueueBackend {
  queue(): QueueHandle;
  worker(concurrency: number, process: Process): WorkerHandle;
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
  const classes = withBackend(createPostgresBackend);
  const connection = { connectionString: url.reveal(), schema: QUEUE_SCHEMA, max: 2 };
  return {
    queue: () => new classes.Queue(NAME, { connection }),
    worker: (concurrency, process) => new classes.Worker(NAME, process, { connection, concurrency }),
    // It is the database, which has a check of its own.
    answers: () => Promise.resolve(true),
    close: () => Promise.resolve(),
  };
}

function onRedis(url: Secret<string>, onError: (error: unknown) => void): QueueBackend {
  // BullMQ wants no limit on retries for a connection that blocks.
  const client = new Redis(url.reveal(), { maxRetriesPerRequest: null });
  client.on('error', onError);
  return {
    queue: () => new Queue(NAME, { connection: client }),
    worker: (concurrency, process) => new Worker(NAME, process, { connection: client, concurrency }),
    // Without a connection a question would wait for one, and be asked then.
    answers: async () => client.status === 'ready' && (await client.ping()) === 'PONG',
    close: () => {
      client.disconnect();
      return Promise.resolve();
    },
  };
}
