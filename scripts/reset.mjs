// `npm run reset`, before anything is installed: where there are no data it installs nothing to say so.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { homeOf } from './home.mjs';

const scripts = dirname(fileURLToPath(import.meta.url));
const root = dirname(scripts);
const node24 = join(root, 'node_modules', 'node', 'bin', 'node');
const words = process.argv.slice(2);
const home = homeOf(root, process.env);

/** @param {string} node @param {string} script @param {string[]} args @returns the exit code */
function run(node, script, ...args) {
  return spawnSync(node, [join(scripts, script), ...args], { stdio: 'inherit' }).status ?? 1;
}

if (words.length === 0 && !existsSync(join(home, 'lock')))
  process.stdout.write(`There are no data in ${home}: nothing to delete.\n`);
else process.exitCode = run(process.execPath, 'install.mjs') || run(node24, 'reset.ts', ...words);
