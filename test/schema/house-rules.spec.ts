import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'curfew-lint-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The cases in which a rule says something: each is a file of its own. */
function refused(rule: string, cases: readonly string[]): string[] {
  const config = join(folder, 'oxlintrc.json');
  const categories = Object.fromEntries(['correctness', 'suspicious'].map((name) => [name, 'off']));
  const rules = { [`curfew/${rule}`]: 'error' };
  writeFileSync(config, JSON.stringify({ jsPlugins: [join(root, 'lint/curfew.js')], categories, rules }));
  const files = cases.map((text, index) => {
    const file = join(folder, `${rule}-${index}.ts`);
    writeFileSync(file, `${text}\n`);
    return file;
  });
  const words = [join(root, 'node_modules/oxlint/bin/oxlint'), '--config', config, '--format', 'json', ...files];
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8' });
  if (!stdout.startsWith('{')) throw new Error(stdout + stderr);
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { filename: string; code: string }[] };
  expect(new Set(diagnostics.map(({ code }) => code))).toEqual(new Set([`curfew(${rule})`]));
  return cases.filter((_, index) => diagnostics.some(({ filename }) => filename.endsWith(`${rule}-${index}.ts`)));
}

describe('one clock', () => {
  const NOW = [
    'export const at = new Date();',
    'export const at = new Date;',
    'export const at = Date.now();',
    `export const at = Date['now']();`,
    'export const at = Date();',
    'export const { now } = Date;',
    'const D = Date; export const at = new D();',
    'export const at = new globalThis.Date();',
    'export const at = globalThis.Date.now();',
    `export const at = globalThis['Date'].now();`,
    'export const at = global.Date.now();',
    'export const at = new Date(...[]);',
    'export const at = Reflect.construct(Date, []);',
    'export const all = { Date };',
    'export const all = [Date];',
    'export const at = (Date as unknown as { now(): number }).now();',
    'export const { now } = Date as { now(): number };',
    'export class Mine extends Date {}',
  ];
  const CONVERSIONS = [
    'export const at = new Date(0);',
    'export const at = (text: string): Date => new Date(text);',
    'export const is = (value: unknown): value is Date => value instanceof Date;',
    `export const at = Date.parse('2030-01-01');`,
    'export const at = Date.UTC(2030, 0);',
    'export interface Row { readonly Date: Date; readonly of?: typeof Date }',
    'export const all = { Date: 1 }; export const one = all.Date;',
    'export class Row { Date = 1; at!: Date; find(): Promise<Date[]> { throw new Error(); } }',
    'export const since = performance.now();',
  ];

  it('is asked by nobody for the time of the process', () => {
    expect(refused('one-clock', [...NOW, ...CONVERSIONS])).toEqual(NOW);
  });
});

describe('one environment', () => {
  const READS = [
    `export const it = process.env['X'];`,
    `export const it = process['env'];`,
    `export const it = (name: 'env') => process[name];`,
    `import { env } from 'node:process'; export const it = env;`,
    `import p from 'process'; export const it = p.env;`,
    `export { env } from 'node:process';`,
    `export const it = await import('node:process');`,
    `export const it = process.getBuiltinModule('process');`,
    'export const { env: other } = process;',
    'const p = process; export const it = p.env;',
    'export const it = [process];',
    'export const it = { process };',
    'export const it = globalThis.process.env;',
    `export const it = global['process'].env;`,
  ];
  const OTHERS = [
    'export const it = process.pid;',
    `process.on('SIGTERM', () => process.exit(0));`,
    'export const it = { process: 1 }; export const one = it.process;',
    `export const it = process.getBuiltinModule('node:sqlite');`,
    'export const env = 1;',
    'export const it = (process: string) => [process];',
    'export type It = typeof process;',
    'export const it: NodeJS.ProcessEnv = {};',
  ];

  it('is read in one place, under one name', () => {
    expect(refused('one-environment', [...READS, ...OTHERS])).toEqual(READS);
  });
});

describe('imports', () => {
  const imports = (file: string, ...modules: string[]) => modules.map((module) => [file, module] as const);
  const REFUSED = [
    ...imports('libs/audit/src/zz.ts', 'node:http', 'https', 'node:tls', 'node:process', 'pg', 'bullmq'),
    ...imports('libs/identity/src/zz.ts', 'openid-client', 'node:http2', 'express', '@nestjs/common'),
    ...imports('libs/policy/src/zz.ts', 'node:child_process', 'typeorm', 'ioredis'),
    ...imports('libs/access/src/zz.ts', 'node:dns', 'pg', 'jose', '@nestjs/swagger'),
    ...imports('libs/kernel/src/zz.ts', 'node:http', 'zod'),
    ...imports('libs/providers/src/zz.ts', 'pg', 'typeorm', 'node:http'),
    ...imports('libs/providers/src/other/zz.ts', 'pg', 'ioredis'),
    ...imports('libs/providers/src/postgres/zz.ts', 'ioredis', 'bullmq', 'node:https'),
  ];
  const ALLOWED = [
    ...imports('libs/audit/src/fine.ts', 'typeorm', 'node:crypto'),
    ...imports('libs/identity/src/fine.ts', 'jose', 'zod'),
    ...imports('libs/policy/src/fine.ts', '@cedar-policy/cedar-wasm/nodejs', 'node:net', 'yaml'),
    ...imports('libs/access/src/fine.ts', 'canonicalize', 'typeorm'),
    ...imports('libs/providers/src/fine.ts', 'ipaddr.js', 'node:dns', 'zod'),
    ...imports('libs/providers/src/postgres/fine.ts', 'pg', 'node:tls', 'p-map'),
    ...imports('libs/platform/src/fine.ts', 'pg', 'node:http', 'bullmq'),
  ];

  it('are of what is the business of a library', () => {
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
      cpSync(join(root, file), join(folder, file));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const all = [...REFUSED, ...ALLOWED].map(([file, module], index) => {
      const own = file.replace('.ts', `${index}.ts`);
      mkdirSync(dirname(join(folder, own)), { recursive: true });
      writeFileSync(join(folder, own), `import * as it from '${module}';\nexport default it;\n`);
      return { own, says: `${file}: ${module}` };
    });
    const words = [join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs'), 'libs', '-T', 'json'];
    const { stdout, stderr } = spawnSync(process.execPath, words, {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 64_000_000,
    });
    if (!stdout.startsWith('{')) throw new Error(stdout + stderr);
    const { summary } = JSON.parse(stdout) as {
      summary: { violations: { from: string; rule: { name: string } }[] };
    };
    const wrong = new Set(summary.violations.filter(({ rule }) => rule.name !== 'no-orphan').map(({ from }) => from));
    expect(all.filter(({ own }) => wrong.has(own)).map(({ says }) => says)).toEqual(
      REFUSED.map(([file, module]) => `${file}: ${module}`),
    );
  });
});
