import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { credentialMachine, END_REASONS, grantMachine, requestMachine, strayMachine, VERDICTS } from '@app/access';
import { GROUP_SOURCES, IDENTITY_KINDS, SIGN_IN_END_REASONS, signInMachine } from '@app/identity';
import { aDatabase, type TestDatabase } from '../support/postgres';

describe('the words of the code are the words of the database', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  beforeAll(async () => {
    database = await aDatabase();
    owner = new pg.Client({ connectionString: database.urls.owner });
    await owner.connect();
  });
  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  /** The words that the column's own CHECK takes. */
  const wordsOf = async (table: string, column: string): Promise<string[]> => {
    const { rows } = await owner.query<{ definition: string }>(
      `SELECT pg_get_constraintdef(c.oid) AS definition FROM pg_constraint c
       JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
       WHERE c.contype = 'c' AND c.conrelid = $1::regclass AND a.attname = $2`,
      [table, column],
    );
    expect(rows, `${table}.${column}`).toHaveLength(1);
    return [...rows[0]!.definition.matchAll(/'([a-z_]+)'::text/g)].map((match) => match[1]!);
  };

  it.each([
    ['requests', requestMachine],
    ['grants', grantMachine],
    ['credentials', credentialMachine],
    ['sign_ins', signInMachine],
    ['strays', strayMachine],
  ])('the states of %s, and the one they begin in', async (table, machine) => {
    expect((await wordsOf(table, 'state')).toSorted()).toEqual([...machine.states].toSorted());
    const { rows } = await owner.query(
      'SELECT column_default FROM information_schema.columns WHERE table_name = $1 AND column_name = $2',
      [table, 'state'],
    );
    expect(rows).toEqual([{ column_default: `'${machine.initial}'::text` }]);
  });

  it.each([
    ['grants', 'end_reason', END_REASONS],
    ['sign_ins', 'end_reason', SIGN_IN_END_REASONS],
    ['decisions', 'state', VERDICTS],
    ['identities', 'kind', IDENTITY_KINDS],
    ['group_members', 'source', GROUP_SOURCES],
  ] as const)('%s.%s', async (table, column, words) => {
    expect((await wordsOf(table, column)).toSorted()).toEqual([...words].toSorted());
  });
});
