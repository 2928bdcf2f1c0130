import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisBinary } from 'redis-memory-server';
import { waitFor } from '../../scripts/waiting';

export interface RedisServer {
  readonly url: string;
  /** It keeps its connections, and answers nobody. */
  hang(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** A real Redis on a port of its own: from `PATH`, or the one that redis-memory-server gets. */
export async function aRedis(): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-redis-'));
  const port = await freePort();
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'];
  const server = spawn(await binary(), [...flags, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' });
  const ended = once(server, 'exit');
  const answers = await waitFor(async () => ((await canConnect(port)) ? true : undefined), 10_000, 20);
  if (!answers) throw new Error('Redis did not start');
  return {
    url: `redis://127.0.0.1:${port}`,
    hang: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    stop: async () => {
      if (server.exitCode === null && server.signalCode === null) server.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function binary(): Promise<string> {
  const found = spawnSync('redis-server', ['--version']);
  return found.status === 0 ? 'redis-server' : RedisBinary.getPath();
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (reached: boolean): void => {
      socket.destroy();
      resolve(reached);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}
