import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { parseTargetFile } from '../../libs/access/src/target-file';
import { PostgresProvider, ProviderRegistry } from '@app/providers';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/providers/postgres.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, text = '']) => text);

function parsed(text: string) {
  const document = parseDocument(text);
  expect(document.errors).toEqual([]);
  return parseTargetFile(new ProviderRegistry([new PostgresProvider()]), document.toJS({ maxAliasCount: 0 }));
}

describe('the target file that docs/providers/postgres.md prints', () => {
  const [file = '', ...others] = blocks('yaml');

  it('is one whole file, and is taken as it is', () => {
    expect(others).toEqual([]);
    expect(parsed(file)).toMatchObject({
      name: 'orders-db',
      kind: 'postgres',
      owner: 'orders-owners',
      connection: { port: 5432, tls: { mode: 'verify-full' } },
    });
  });

  it('names the roles and the database of the SQL above it', () => {
    const { connection, entitlements } = parsed(file);
    const { user, objectsOwner } = connection as Record<string, string>;
    const [sql = ''] = blocks('sql');
    for (const role of [user, objectsOwner]) expect(sql).toContain(`CREATE ROLE ${role} `);
    for (const { groupRole, database } of Object.values(entitlements) as Record<string, string>[]) {
      expect(sql).toContain(`GRANT ${groupRole} TO ${user} WITH ADMIN TRUE`);
      expect(sql).toContain(`GRANT CONNECT ON DATABASE ${database} TO ${user}, ${groupRole}`);
    }
  });

  it('is taken with each member that the page says may be added, and the page names all there are', () => {
    const whole = parseDocument(file).toJS() as { connection: object; entitlements: Record<string, object> };
    const added = {
      tls: { mode: 'verify-full', ca: '-----BEGIN CERTIFICATE-----\n', serverName: 'db.internal' },
      acceptCreateroleOn15: true,
      host: '192.0.2.7',
    };
    const { read } = whole.entitlements;
    const more = {
      ...whole,
      connection: { ...whole.connection, ...added },
      entitlements: { read: { ...read, connectionLimit: 20 } },
    };
    expect(parsed(JSON.stringify(more))).toMatchObject({ connection: added });
    const section = page.slice(page.indexOf('## Configuration'), page.indexOf('## What it makes'));
    for (const member of ['tls.mode', 'tls.ca', 'tls.serverName', 'acceptCreateroleOn15', 'connectionLimit'])
      expect(section).toContain(`\`${member}\``);
  });

  it('is where the command line and its page send people', () => {
    for (const path of ['apps/cli/src/commands/targets.ts', 'docs/cli.md'])
      expect(readFileSync(join(root, path), 'utf8')).toContain('providers/postgres.md');
  });
});
