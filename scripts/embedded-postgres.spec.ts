import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { has, needs } from '../test/support/needs';
import { findServer, startServer, stopServer, type Server } from './embedded-postgres';
import { serverAccount } from './postgres-place';
import { isAlive } from './processes';
import { waitFor } from './waiting';

describe('the embedded PostgreSQL', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'a server, with spaces '));
    chmodSync(root, 0o711);
  });
  afterEach(async () => {
    await stopServer(join(root, 'postgres'));
    rmSync(root, { recursive: true, force: true });
  });

  const password = 'a password: with / and @';
  const start = (port?: number, durable = false): Promise<Server> =>
    startServer({ folder: join(root, 'postgres'), logFile: join(root, 'log'), password, port, durable });
  const ask = async (url: string, sql: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat();
    } finally {
      await client.end();
    }
  };
  const gone = (pid: number): Promise<true | undefined> => waitFor(() => (isAlive(pid) ? undefined : true), 5_000);

  it('takes nobody in without the password, and listens on the loopback only', async () => {
    const server = await start();
    expect(await ask(server.url('postgres'), 'SHOW listen_addresses')).toEqual(['127.0.0.1']);
    const wrong = new URL(server.url('postgres'));
    wrong.password = 'wrong';
    await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    const rules = `SELECT DISTINCT auth_method FROM pg_hba_file_rules`;
    expect(await ask(server.url('postgres'), rules)).toEqual(['scram-sha-256']);
  });

  it('keeps the password in no file, and its files from others', async () => {
    await start();
    const files = readdirSync(join(root, 'postgres'), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const paths = [...files.map((entry) => join(entry.parentPath, entry.name)), join(root, 'log')];
    expect(paths.filter((path) => readFileSync(path).includes(password))).toEqual([]);
    expect(statSync(join(root, 'postgres')).mode & 0o077).toBe(0);
    expect(statSync(join(root, 'log')).mode & 0o077).toBe(0);
  });

  it('does not write the statement that sets a password into its log, not even when it fails', async () => {
    const server = await start();
    await expect(ask(server.url('postgres'), `ALTER ROLE nobody_here PASSWORD 'hunter2'`)).rejects.toThrow(
      'does not exist',
    );
    expect(readFileSync(join(root, 'log'), 'utf8')).not.toContain('hunter2');
  });

  it('takes over a server that already runs on its data', async () => {
    const first = await start();
    const second = await start();
    expect(second).toMatchObject({ adopted: true, pid: first.pid, port: first.port });
  });

  it('says so when the server that runs does not know the password', async () => {
    await start();
    const options = { folder: join(root, 'postgres'), logFile: join(root, 'log'), durable: false };
    await expect(startServer({ ...options, password: 'another' })).rejects.toThrow('does not let us in');
  });

  it('goes on with what was committed after kill -9, on the same port', async () => {
    const first = await start(undefined, true);
    await ask(first.url('postgres'), 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(first.pid, 'SIGKILL');
    const second = await start(first.port, true);
    expect(second).toMatchObject({ adopted: false, port: first.port });
    expect(await ask(second.url('postgres'), 'SELECT answer FROM kept')).toEqual([42]);
  });

  it('starts although the number in the file of a dead server is some other process by now', async () => {
    const first = await start();
    const file = join(root, 'postgres', 'data', 'postmaster.pid');
    const left = readFileSync(file, 'utf8').split('\n').slice(1);
    process.kill(first.pid, 'SIGKILL');
    await gone(first.pid);
    writeFileSync(file, [process.pid, ...left].join('\n'));
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(isAlive(process.pid)).toBe(true);
  });

  it('waits for a server that is shutting down, and starts anew', async () => {
    const first = await start();
    process.kill(first.pid, 'SIGINT');
    const second = await start();
    expect(await ask(second.url('postgres'), 'SELECT 1')).toEqual([1]);
  });

  it('throws away what an interrupted beginning left', async () => {
    const folder = join(root, 'postgres');
    const first = await start();
    await stopServer(folder);
    rmSync(join(folder, 'data'), { recursive: true });
    const second = await start();
    expect(second.pid).not.toBe(first.pid);
    expect(readdirSync(folder)).toEqual(['data']);
  });

  it('refuses data of another version', async () => {
    await start();
    await stopServer(join(root, 'postgres'));
    writeFileSync(join(root, 'postgres', 'data', 'PG_VERSION'), '15\n');
    await expect(start()).rejects.toThrow("are PostgreSQL 15's");
  });

  it('ends open sessions when it is stopped, and stopping nothing is success', async () => {
    const server = await start();
    const client = new pg.Client({ connectionString: server.url('postgres') });
    const cut = new Promise((resolve) => client.on('error', resolve));
    await client.connect();
    await client.query('BEGIN');
    await stopServer(join(root, 'postgres'));
    await cut;
    expect(findServer(join(root, 'postgres'))).toBeUndefined();
    await stopServer(join(root, 'postgres'));
  });

  it('does not take another process for its server', async () => {
    const server = await start();
    const other = join(root, 'other');
    await startServer({ folder: other, logFile: join(root, 'other.log'), password, durable: false });
    const theirs = readFileSync(join(other, 'data', 'postmaster.pid'), 'utf8');
    await stopServer(join(root, 'postgres'));
    writeFileSync(join(root, 'postgres', 'data', 'postmaster.pid'), theirs);
    expect(findServer(join(root, 'postgres'))).toBeUndefined();
    await stopServer(join(root, 'postgres'));
    expect(isAlive(server.pid)).toBe(false);
    expect(findServer(other)).toBeDefined();
    await stopServer(other);
  });

  it.runIf(has('root'))(`as root, runs as an ordinary account${needs('root')}`, async () => {
    const server = await start();
    expect(statSync(`/proc/${server.pid}`).uid).toBe(serverAccount()?.uid);
    expect(serverAccount()?.uid).not.toBe(0);
  });

  it.runIf(has('root'))(`as root, says which folder the account cannot enter${needs('root')}`, async () => {
    chmodSync(root, 0o700);
    chownSync(root, 0, 0);
    await expect(start()).rejects.toThrow('cannot enter');
  });
});
