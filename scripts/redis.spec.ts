import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { aRedis } from '../test/support/redis';
import { Failure } from './failure';
import { freePort } from './ports';
import { redisAt, whySilent } from './redis';

describe('the Redis that REDIS_URL names', () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });
  /** Somebody who says this to whoever comes. */
  const saying = async (words: string): Promise<string> => {
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      socket.on('data', () => words !== '' && socket.write(words));
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return `redis://ada:sesame@127.0.0.1:${port}/3`;
  };

  it.each([
    ['redis://localhost', 'on localhost:6379'],
    ['rediss://ada:sesame@cache.example.com:7000/2', 'on cache.example.com:7000'],
    ['redis://:sesame@[::1]:6380', 'on [::1]:6380'],
    ['/run/redis.sock?password=sesame', 'at the socket in REDIS_URL'],
  ])('is named without its password: %s', (url, where) => {
    expect(redisAt(url)).toEqual({ url, where });
  });

  it.each(['ada:sesame@cache:6379', 'localhost:6379', 'http://cache:6379', 'redis:', 'sesame'])(
    'is refused where it is no address: %s',
    (url) => {
      const refusal = () => redisAt(url);
      expect(refusal).toThrow(Failure);
      expect(refusal).toThrow(/^REDIS_URL is not the address of a Redis$/);
    },
  );

  it('is well when it answers, and silent when it hangs', async () => {
    const redis = await aRedis();
    ends.push(() => redis.stop());
    expect(await whySilent(redisAt(redis.url))).toBeUndefined();
    redis.hang();
    expect(await whySilent(redisAt(redis.url))).toBe('no answer within 2 s');
  });

  it('is silent where nobody is, or somebody else, or one who lets nobody in', async () => {
    const silence = async (url: string) => whySilent(redisAt(url));
    expect(await silence(`redis://ada:sesame@127.0.0.1:${await freePort()}`)).toBe('nobody answers there');
    // Or whoever is asked for names says nothing for so long.
    expect(await silence('redis://ada:sesame@nowhere.invalid')).toMatch(
      /^(there is no such host|no answer within 2 s)$/,
    );
    expect(await silence(await saying('-WRONGPASS invalid username-password pair\r\n'))).toMatch(/the password$/);
    expect(await silence(await saying('-NOAUTH Authentication required.\r\n'))).toMatch(/the password$/);
    expect(await silence(await saying('HTTP/1.1 400 Bad Request\r\n\r\n'))).toBe('it does not answer as a Redis does');
    expect(await silence(await saying(''))).toBe('no answer within 2 s');
  });
});
