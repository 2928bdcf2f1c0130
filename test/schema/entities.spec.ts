import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { accessEntities } from '@app/access';
import { identityEntities } from '@app/identity';
import { Secret } from '@app/kernel';
import { openDatabase } from '@app/platform';
import { aDatabase, type TestDatabase } from '../support/postgres';

const ENTITIES = [...accessEntities, ...identityEntities];

describe('the entities are the tables', () => {
  let database: TestDatabase;
  let owner: DataSource;
  beforeAll(async () => {
    database = await aDatabase();
    owner = await openDatabase({
      url: new Secret(database.urls.owner),
      applicationName: 'test',
      entities: ENTITIES,
      connections: 2,
      onError: () => undefined,
    });
  });
  afterAll(async () => {
    await owner.destroy();
    await database.drop();
  });

  it.each(ENTITIES.map((entity) => [entity.name, entity] as const))(
    '%s: each column is there, with the same type and the same right to be empty',
    async (_, entity) => {
      const metadata = owner.getMetadata(entity);
      const rows: { name: string; type: string; nullable: boolean; key: boolean }[] = await owner.query(
        `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS nullable,
                coalesce(a.attnum = ANY(k.conkey), false) AS key
         FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
         WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped`,
        [metadata.tableName],
      );
      const table = new Map(rows.map((row) => [row.name, row]));
      const declared = metadata.columns.map((column) => ({
        name: column.databaseName,
        type: `${owner.driver.normalizeType(column)}${column.isArray ? '[]' : ''}`,
        nullable: column.isNullable,
        key: column.isPrimary,
      }));
      expect(declared.length).toBeGreaterThan(0);
      expect(declared).toEqual(declared.map(({ name }) => table.get(name)));
      // A deadline has milliseconds, on both sides.
      const times = rows.filter(({ type }) => type === 'timestamp with time zone').map(({ name }) => name);
      const precise = await owner.query(
        `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attname = ANY($2) AND atttypmod = 3 ORDER BY 1`,
        [metadata.tableName, times],
      );
      expect(precise.map((row: { attname: string }) => row.attname)).toEqual(times.toSorted());
    },
  );
});
