import { Failure } from './failure.ts';

/** The Redis that `REDIS_URL` names. */
export interface RedisPlace {
  /** With its password. */
  readonly url: string;
  /** `on 127.0.0.1:6379`: without one. */
  readonly where: string;
}

const PATIENCE_MS = 2_000;
const DEFAULT_PORT = '6379';

/** @throws Failure for what is no address of a Redis: it would be looked for in vain for ever */
export function redisAt(url: string): RedisPlace {
  if (url.startsWith('/')) return { url, where: 'at the socket in REDIS_URL' };
  const parsed = URL.parse(url);
  if (parsed && /^rediss?:$/.test(parsed.protocol) && parsed.hostname !== '')
    return { url, where: `on ${parsed.hostname}:${parsed.port || DEFAULT_PORT}` };
  throw new Failure('REDIS_URL is not the address of a Redis', [
    'redis://user:password@host:6379, or rediss:// where it speaks TLS.',
    'Leave it away, and the queue is in PostgreSQL.',
  ]);
}

/** Asks it something, as the processes will. @returns why it is of no use to them now; `undefined` when it answers */
export async function whySilent({ url }: RedisPlace): Promise<string | undefined> {
  // Loaded only where it is needed: few who try Curfew have a Redis.
  const { Redis } = await import('ioredis');
  const times = { connectTimeout: PATIENCE_MS, commandTimeout: PATIENCE_MS };
  const client = new Redis(url, {
    ...times,
    lazyConnect: true,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let first: unknown;
  client.on('error', (error) => (first ??= error));
  try {
    await client.connect();
    await client.ping();
    return undefined;
  } catch (error) {
    return wordsFor(first ?? error);
  } finally {
    client.disconnect();
  }
}

/** By the code of an error, or what a Redis says. Of our own: what others say may quote what they were given. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^(ECONNREFUSED|ENOENT)\b/, 'nobody answers there'],
  [/^(ENOTFOUND|EAI_AGAIN)\b/, 'there is no such host'],
  [/^\w*(CERT|TLS|SSL|SELF_SIGNED|ALTNAME)/, 'its certificate is not accepted'],
  [/^(NOAUTH|WRONGPASS|NOPERM)\b|\bAUTH\b/, 'it does not take the user or the password'],
  [/^ETIMEDOUT\b|timed out/, `no answer within ${PATIENCE_MS / 1_000} s`],
];

function wordsFor(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = WORDS.find(([pattern]) => pattern.test(code ?? message))?.[1];
  return known ?? `it does not answer as a Redis does${code === undefined ? '' : ` (${code})`}`;
}
