import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { aDatabase, aServer, type TestDatabase } from './postgres';

describe('a test database', () => {
  const made: TestDatabase[] = [];
  afterEach(async () => {
    await Promise.all(made.splice(0).map((database) => database.drop()));
  });

  const fresh = async (): Promise<TestDatabase> => {
    const database = await aDatabase();
    made.push(database);
    return database;
  };

  async function ask<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  it('is a copy nobody else sees', async () => {
    const [one, other] = await Promise.all([fresh(), fresh()]);
    await ask(one.urls.owner, 'CREATE TABLE mine (id int)');
    expect(await ask(one.urls.owner, `SELECT to_regclass('mine') IS NOT NULL AS there`)).toEqual([{ there: true }]);
    expect(await ask(other.urls.owner, `SELECT to_regclass('mine') IS NOT NULL AS there`)).toEqual([{ there: false }]);
  });

  it('goes away with the sessions on it', async () => {
    const database = await aDatabase();
    const client = new pg.Client({ connectionString: database.urls.owner });
    const cut = new Promise((resolve) => client.on('error', resolve));
    await client.connect();
    await database.drop();
    await cut;
    const left = await ask(aServer().superuserUrl(), `SELECT 1 FROM pg_database WHERE datname = '${database.name}'`);
    expect(left).toEqual([]);
  });

  it('lets nobody in without a password', async () => {
    const url = new URL(aServer().superuserUrl());
    url.password = '';
    await expect(ask(url.href, 'SELECT 1')).rejects.toThrow(/password/);
  });
});
