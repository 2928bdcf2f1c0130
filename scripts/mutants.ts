import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

// Tests of tests: each patch in test/mutants takes a guard away, and names the test file that must not pass without it.
const root = resolve(import.meta.dirname, '..');
const wanted = process.argv.slice(2);
const patches = readdirSync(join(root, 'test/mutants')).filter(
  (file) => file.endsWith('.patch') && (wanted.length === 0 || wanted.some((name) => file.includes(name))),
);
if (patches.length === 0) {
  console.error(`npm run test:mutants -- <name>…: no patch in test/mutants has "${wanted.join('" or "')}" in its name`);
  process.exit(2);
}
const clone = mkdtempSync(join(tmpdir(), 'curfew-mutants-'));
// As they are in this commit: whoever goes on working meanwhile changes none of them.
const folder = join(clone, 'test/mutants');
const git = (...words: string[]): Buffer => execFileSync('git', words, { cwd: clone });
const vitest = (specs: readonly string[]): { passed: boolean; ran: boolean } => {
  const words = [join(clone, 'node_modules/vitest/vitest.mjs'), 'run', '--no-color', ...specs];
  const { status, stdout } = spawnSync(process.execPath, words, {
    cwd: clone,
    env: { ...process.env, CI: '1', NO_COLOR: '1' },
    encoding: 'utf8',
    timeout: 600_000,
  });
  return { passed: status === 0, ran: /^\s*Tests\s+.*(?:failed|passed)/m.test(stdout) };
};

try {
  execFileSync('git', ['clone', '--quiet', root, clone]);
  execFileSync('cp', ['-al', join(root, 'node_modules'), clone]);
  const specOf = (patch: string): string => readFileSync(join(folder, patch), 'utf8').split('\n')[0] ?? '';
  if (!vitest([...new Set(patches.map(specOf))]).passed) throw new Error('the tests do not pass as it is');
  for (const patch of patches) {
    git('apply', join(folder, patch));
    const { passed, ran } = vitest(['--bail', '1', specOf(patch)]);
    git('checkout', '--quiet', '.');
    const killed = !passed && ran;
    console.log(`${killed ? 'killed  ' : 'SURVIVED'} ${patch.replace('.patch', '')}`);
    if (!killed) process.exitCode = 1;
  }
} finally {
  rmSync(clone, { recursive: true, force: true });
}
