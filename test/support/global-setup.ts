import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrateDatabase } from '../../apps/migrate/src/migrate';
import { Secret } from '@app/kernel';
import { startServer, stopServer, SUPERUSER, type Server } from '../../scripts/embedded-postgres';
import { guardFleeting } from '../../scripts/guardian';
import type { ServerOfThisRun } from './postgres';

const TEMPLATE = 'curfew_template';
const secret = (): string => randomBytes(18).toString('base64url');

/** One real PostgreSQL per test run, in a folder of its own, with one migrated database to copy from. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-test-'));
  chmodSync(folder, 0o711); // the server's account, when we are root, passes through
  const server = join(folder, 'postgres');
  const guard = guardFleeting(server, folder);
  const teardown = async (): Promise<void> => {
    await stopServer(server);
    rmSync(folder, { recursive: true, force: true });
    await guard.dismiss();
  };
  try {
    const superuserPassword = secret();
    const options = {
      folder: server,
      logFile: join(folder, 'postgres.log'),
      password: superuserPassword,
      durable: false,
    };
    const running = await startServer(options);
    const passwords = { api: secret(), worker: secret(), timekeeper: secret() };
    await makeTemplate(running, passwords);
    const { host, port } = running;
    const provided: ServerOfThisRun = {
      host,
      port,
      template: TEMPLATE,
      superuser: SUPERUSER,
      superuserPassword,
      passwords,
    };
    project.provide('postgres', provided);
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}

async function makeTemplate(server: Server, passwords: ServerOfThisRun['passwords']): Promise<void> {
  const client = new pg.Client({ connectionString: server.url('postgres') });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${TEMPLATE}`);
    await migrate(server.url(TEMPLATE), passwords);
    await client.query(`ALTER DATABASE ${TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  } finally {
    await client.end();
  }
}

async function migrate(ownerUrl: string, passwords: ServerOfThisRun['passwords']): Promise<void> {
  await migrateDatabase({
    ownerUrl: new Secret(ownerUrl),
    passwords: {
      api: new Secret(passwords.api),
      worker: new Secret(passwords.worker),
      timekeeper: new Secret(passwords.timekeeper),
    },
  });
}
