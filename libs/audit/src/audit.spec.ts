import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { LocalKeySealer, openDatabase } from '@app/platform';
import { aDatabase, type TestDatabase } from '../../../test/support/postgres';
import { AuditEvent, AuditEvents, AuditValue, Commitments, Recorder } from './index';

describe('Recorder', () => {
  let test: TestDatabase;
  let database: DataSource;
  let recorder: Recorder;
  let events: AuditEvents;

  beforeAll(async () => {
    test = await aDatabase();
    database = await openDatabase({
      url: new Secret(test.urls.api),
      applicationName: 'test',
      entities: [AuditEvent, AuditValue],
      connections: 2,
      onError: () => undefined,
    });
    const commitments = new Commitments(new LocalKeySealer(new Secret(randomBytes(32))));
    recorder = new Recorder(database, commitments);
    events = new AuditEvents(database, commitments);
  });
  afterAll(async () => {
    await database.destroy();
    await test.drop();
  });

  const addTarget = (name: string) =>
    recorder.run({ actor: 'ada', channel: 'cli', correlation: `c-${name}`, address: '192.0.2.7' }, (tx) =>
      tx.query(
        `INSERT INTO targets (name, kind, owner_group, connection, password_sealed, config_hash)
         VALUES ($1, 'postgres', 'owners', '{}', '\\x00', sha256('x'))`,
        [name],
      ),
    );

  it('tells the database who acts, for one transaction', async () => {
    await addTarget('one');
    const [event] = await events.list({ limit: 1, correlation: 'c-one' });
    expect(event?.members).toMatchObject({ actor: 'ada', channel: 'cli', correlation: 'c-one', to: 'connected' });
    const left = await database.query<{ actor: string | null }[]>(
      `SELECT nullif(current_setting('curfew.actor', true), '') AS actor`,
    );
    expect(left).toEqual([{ actor: null }]);
  });

  it('holds an address only as a salted commitment, which opens for those who may read', async () => {
    await addTarget('two');
    await addTarget('three');
    const [three, two] = await events.list({ limit: 2 });
    expect(three?.opened).toEqual({ address: '192.0.2.7' });
    expect(three?.members['address']).toMatch(/^[0-9a-f]{64}$/);
    expect(three?.members['address']).not.toBe(two?.members['address']);
    const dump = JSON.stringify(await database.query("SELECT encode(canonical, 'escape') FROM audit_events"));
    expect(dump).not.toContain('192.0.2.7');
  });

  it('shows "nothing" for a value that was erased, and keeps the leaf', async () => {
    await addTarget('four');
    const [before] = await events.list({ limit: 1 });
    const { Client } = (await import('pg')).default;
    const owner = new Client({ connectionString: test.urls.owner });
    await owner.connect();
    await owner.query("DELETE FROM audit_values WHERE commitment = decode($1, 'hex')", [before?.members['address']]);
    await owner.end();
    const [after] = await events.list({ limit: 1 });
    expect(after).toEqual({ ...before, opened: {} });
  });

  it('shows what was sealed under a lost key as absent, and judges nothing by its absence', async () => {
    await addTarget('five');
    const [before] = await events.list({ limit: 1 });
    const withAnotherKey = new Commitments(new LocalKeySealer(new Secret(randomBytes(32))));
    const [after] = await new AuditEvents(database, withAnotherKey).list({ limit: 1 });
    expect(after).toEqual({ ...before, opened: {} });
    const commitment = Buffer.from(before!.members['address']!, 'hex');
    await expect(withAnotherKey.open(database.manager, [commitment])).rejects.toMatchObject({ code: 'sealing.broken' });
  });

  it('pages backwards, and forwards for a tail', async () => {
    const all = await events.list({ limit: 10 });
    const ids = all.map((event) => event.id);
    expect((await events.list({ limit: 2, before: ids[0] })).map((event) => event.id)).toEqual(ids.slice(1, 3));
    expect((await events.list({ limit: 2, after: ids.at(-1) })).map((event) => event.id)).toEqual(
      ids.toReversed().slice(1, 3),
    );
  });
});
