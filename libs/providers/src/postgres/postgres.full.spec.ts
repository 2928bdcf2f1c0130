import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leave, Stage } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';
import { waitFor } from '../../../../scripts/waiting';

const MAX = 200;
const RESERVED = 10;
const OF_SUPERUSERS = 3;

/** A login that is begun and never finished. It takes a connection of the server until `authentication_timeout`. */
function halfALogin({ port, host }: TargetServer): Promise<Socket> {
  const words = Buffer.from('user\0somebody\0database\0postgres\0\0');
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + words.length, 0);
  head.writeInt32BE(3 << 16, 4);
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(Buffer.concat([head, words])));
    socket.once('data', () => resolve(socket)); // asks for the password
    socket.on('error', reject);
  });
}

describe('a server without free connections, on PostgreSQL 18', () => {
  let server: TargetServer;
  let stage: Stage;
  const taken: Socket[] = [];
  beforeAll(async () => {
    server = await TargetServer.start();
    await server.sql(
      'postgres',
      `ALTER SYSTEM SET reserved_connections = ${RESERVED}`,
      `ALTER SYSTEM SET authentication_timeout = '10min'`,
    );
    await server.restart({ standby: false });
    stage = await Stage.on(server);
  });
  afterAll(async () => {
    for (const socket of taken) socket.destroy();
    await server?.stop();
  });

  it('ends a grant all the same, and its session, with the connections that are reserved', async () => {
    const { grant, session } = await stage.begin();
    const others = await stage.begin();
    const superuser = await server.connect();
    const [admin, role] = [pg.escapeIdentifier(stage.target.admin), 'pg_use_reserved_connections'];
    const ordinary = MAX - RESERVED - OF_SUPERUSERS - 3;
    taken.push(...(await Promise.all(Array.from({ length: ordinary }, () => halfALogin(server)))));
    const isFull = async (): Promise<true | undefined> =>
      (await stage.target.use(others.credential).then(leave, () => 'full')) === 'full' || undefined;
    expect(await waitFor(isFull, 30_000)).toBe(true);

    await superuser.query(`REVOKE ${role} FROM ${admin}`);
    await expect(stage.end(grant)).rejects.toMatchObject({ kind: 'unavailable' });
    expect((await session.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);

    await superuser.query(`GRANT ${role} TO ${admin}`);
    expect((await stage.end(grant)).leftovers).toEqual([]);
    expect((await stage.prove(grant)).verdict).toBe('ended');
    await expect(session.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
    await leave(session, others.session, superuser);
  });
});
