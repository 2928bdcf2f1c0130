import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compilePolicyFiles, PoliciesUnreadable, PolicyInvalid, readPolicyFiles, REFUSAL_CODES } from './index';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'policies '));
  await writeFile(join(folder, 'groups.yaml'), 'groups: {}\n');
});
afterEach(() => rm(folder, { recursive: true }));

describe('readPolicyFiles', () => {
  it('reads policies in the order of their names, and groups; links too, as volumes of Kubernetes have', async () => {
    await mkdir(join(folder, '..data'));
    await writeFile(join(folder, '..data', 'a.cedar'), '// a');
    await symlink(join('..data', 'a.cedar'), join(folder, 'a.cedar'));
    await writeFile(join(folder, 'B.cedar'), '// B');
    await writeFile(join(folder, 'README.md'), 'hello');
    expect(await readPolicyFiles(folder)).toEqual({
      policies: [
        { file: 'B.cedar', text: '// B' },
        { file: 'a.cedar', text: '// a' },
      ],
      groups: { file: 'groups.yaml', text: 'groups: {}\n' },
    });
  });

  it.each(['deny.ceder', 'groups.yml', 'old.cedar.bak'])('refuses %s, which would not be read', async (file) => {
    await writeFile(join(folder, file), '');
    const failure = await readPolicyFiles(folder).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PolicyInvalid);
    expect(failure).toMatchObject({ problems: [{ file, line: 1 }] });
  });

  it('refuses a folder of policies inside, no groups, and bytes that are not UTF-8', async () => {
    await mkdir(join(folder, 'more'));
    await rm(join(folder, 'groups.yaml'));
    await expect(readPolicyFiles(folder)).rejects.toMatchObject({
      problems: [{ file: 'more' }, { file: 'groups.yaml' }],
    });
    await rm(join(folder, 'more'), { recursive: true });
    await writeFile(join(folder, 'groups.yaml'), Buffer.from([0x67, 0xff]));
    await expect(readPolicyFiles(folder)).rejects.toMatchObject({ problems: [{ message: 'this file is not UTF-8' }] });
  });

  it('says when it cannot read', async () => {
    await expect(readPolicyFiles(join(folder, 'absent'))).rejects.toBeInstanceOf(PoliciesUnreadable);
    await mkdir(join(folder, 'a.cedar'));
    await expect(readPolicyFiles(folder)).rejects.toBeInstanceOf(PoliciesUnreadable);
  });
});

describe('the default policies', () => {
  it('are valid', async () => {
    const set = compilePolicyFiles(await readPolicyFiles(join(import.meta.dirname, '../../../policies')));
    expect(set.rules.map(({ id }) => id)).toContain('orders-read');
  });
});

describe('docs/policies.md', () => {
  it('shows what compiles, and names every code', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../docs/policies.md'), 'utf8');
    const blocks = (language: string) =>
      [...page.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, text]) => text ?? '');
    const set = compilePolicyFiles({
      policies: [{ file: 'page.cedar', text: blocks('cedar').join('\n') }],
      groups: { file: 'groups.yaml', text: blocks('yaml').join('') },
    });
    expect(set.rules.length).toBeGreaterThan(3);
    expect(REFUSAL_CODES.filter((code) => !page.includes(`| \`${code}\` `))).toEqual([]);
  });
});
