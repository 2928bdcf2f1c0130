import { Redis } from 'ioredis';
import pg from 'pg';

/** All that a dump of a database would hold: every row of every table, the queue's included. */
export async function everyRow(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ text: string }>(`SELECT to_jsonb(t)::text AS text FROM ${name} t`);
      texts.push(...rows.map(({ text }) => `${name} ${text} ${fromHex(text)}`));
    }
    return texts.join('\n');
  } finally {
    await client.end();
  }
}

/** All that a Redis holds, as it would write it to a disk. */
export async function everyKey(url: string): Promise<string> {
  const client = new Redis(url);
  try {
    const keys = await client.keys('*');
    const dumps = await Promise.all(keys.map((key) => client.dumpBuffer(key)));
    return keys.map((key, index) => `${key} ${dumps[index]?.toString('latin1') ?? ''}`).join('\n');
  } finally {
    client.disconnect();
  }
}

/** What lies in the bytes of bytea columns. */
function fromHex(text: string): string {
  return [...text.matchAll(/\\\\x([0-9a-f]+)/g)]
    .map(([, hex = '']) => Buffer.from(hex, 'hex').toString('latin1'))
    .join(' ');
}
