import { randomBytes } from 'node:crypto';
import { migrateDatabase, type ProcessRole } from '../../apps/migrate/src/migrate';
import { Secret } from '@app/kernel';
import { TargetServer } from './target-server';

/** A server of its own with a migrated database of Curfew's: for what would stop every other test on the server of this run. */
export interface CurfewServer {
  readonly server: TargetServer;
  readonly database: string;
  readonly urls: Readonly<Record<ProcessRole, Secret<string>>>;
}

export async function aCurfewServer(): Promise<CurfewServer> {
  const server = await TargetServer.start();
  const database = 'curfew';
  await server.sql('postgres', `CREATE DATABASE ${database}`);
  const url = (user: string, password: string) =>
    new Secret(`postgres://${user}:${encodeURIComponent(password)}@${server.host}:${server.port}/${database}`);
  const passwords = { api: aPassword(), worker: aPassword(), timekeeper: aPassword() };
  await migrateDatabase({ ownerUrl: url(server.superuser, server.superuserPassword), passwords });
  const of = (role: ProcessRole) => url(`curfew_${role}`, passwords[role].reveal());
  return { server, database, urls: { api: of('api'), worker: of('worker'), timekeeper: of('timekeeper') } };
}

const aPassword = () => new Secret(randomBytes(18).toString('base64url'));
