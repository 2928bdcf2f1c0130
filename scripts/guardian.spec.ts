import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findServer, startServer, stopServer, type Server } from './embedded-postgres';
import { waitFor } from './waiting';

describe('the guardian of a server', () => {
  let root: string;
  let folder: string;
  let server: Server;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'guarded, with spaces '));
    chmodSync(root, 0o711);
    folder = join(root, 'postgres');
    server = await startServer({ folder, logFile: join(root, 'log'), password: 'x', durable: false });
  });
  afterEach(async () => {
    await stopServer(folder);
    rmSync(root, { recursive: true, force: true });
  });

  /** A process that takes a guardian and is killed. */
  const killed = async (call: string): Promise<void> => {
    const module = JSON.stringify(new URL('guardian.ts', import.meta.url).href);
    const code = `const g = await import(${module}); ${call}; console.log('guarded'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGKILL');
  };
  const ended = (withinMs: number): Promise<true | undefined> =>
    waitFor(() => (findServer(folder) ? undefined : true), withinMs);

  it('shuts it down when its master was killed', async () => {
    await killed(`g.guard(${JSON.stringify(folder)})`);
    expect(await ended(2_000)).toBe(true);
  });

  it('gives sessions a second to finish, and then ends them', async () => {
    const client = new pg.Client({ connectionString: server.url('postgres') });
    const cut = new Promise<Error>((resolve) => client.on('error', resolve));
    await client.connect();
    await killed(`g.guard(${JSON.stringify(folder)})`);
    await expect(waitForRefusal()).resolves.toBe(true);
    await client.query('SELECT 1');
    expect(String(await cut)).toMatch(/terminat/);
    expect(await ended(2_000)).toBe(true);
  });

  it('lets it run when it was dismissed', async () => {
    await killed(`g.guard(${JSON.stringify(folder)}).dismiss()`);
    expect(await ended(500)).toBeUndefined();
  });

  it('removes data that nobody misses', async () => {
    await killed(`g.guardFleeting(${JSON.stringify(folder)}, ${JSON.stringify(root)})`);
    expect(await waitFor(() => (existsSync(root) ? undefined : true), 5_000)).toBe(true);
  });

  async function waitForRefusal(): Promise<true | undefined> {
    return waitFor(async () => {
      const client = new pg.Client({ connectionString: server.url('postgres') });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return undefined;
      } catch {
        return true;
      } finally {
        await client.end();
      }
    }, 2_000);
  }
});
