import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PoliciesService } from '@app/access';
import { startFailureWords, type Transaction } from '@app/platform';
import { compilePolicyFiles, type PolicyFiles } from '@app/policy';
import { PolicyFolder } from './policy-folder';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'policies, with spaces '));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('says at a start which line of which file to mend, and nothing of policies that would stay in force', async () => {
  writeFileSync(join(folder, 'groups.yaml'), 'groups: {}\n');
  writeFileSync(
    join(folder, 'orders.cedar'),
    '\n@id("read") @aproval("none")\npermit (principal, action, resource);\n',
  );
  const applying = { apply: async (_: Transaction, files: PolicyFiles) => compilePolicyFiles(files) };
  const policies = new PolicyFolder(folder, applying as unknown as PoliciesService);
  const words = startFailureWords(await policies.apply({} as Transaction).catch((error: unknown) => error));
  expect(words).toMatch(/^the policy files are not valid\n/);
  expect(words).toContain(`${join(folder, 'orders.cedar')}:2: `);
  expect(words).not.toContain('in force');
});
