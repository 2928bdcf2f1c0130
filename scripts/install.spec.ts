import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'acorn';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from './waiting';

const ROOT = resolve(import.meta.dirname, '..');
const SCRIPT = join('scripts', 'install.mjs');
const RESET = join('scripts', 'reset.mjs');
const CHECK = join('scripts', 'check-node.cjs');

interface Options {
  /** Said before anything else. */
  readonly node?: string;
  readonly script?: string;
  readonly flags?: readonly string[];
}

describe('the installation of the packages', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'a clone, with spaces '));
    mkdirSync(join(root, 'scripts'));
    for (const file of [SCRIPT, CHECK, 'package.json', 'package-lock.json']) cpSync(join(ROOT, file), join(root, file));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Runs it with an npm that does what `npm` says. */
  async function install(npm: string, options: Options = {}): Promise<{ status: number | null; output: string }> {
    const child = started(npm, options);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
    return new Promise((resolve) => child.once('close', (status) => resolve({ status, output })));
  }
  function started(
    npm: string,
    { flags = [], node = '', script = SCRIPT }: Options = {},
  ): ChildProcessWithoutNullStreams {
    const stub = join(root, 'npm.cjs');
    writeFileSync(stub, npm);
    const before = `data:text/javascript,${encodeURIComponent(node)}`;
    const env = { PATH: process.env['PATH'], npm_execpath: stub, npm_node_execpath: process.execPath };
    return spawn(process.execPath, ['--import', before, join(root, script), ...flags], { cwd: root, env });
  }
  /** Leaves what a good installation leaves, and counts itself. */
  const WORKS = `
    const fs = require('node:fs');
    if (process.argv[2] === 'ping') process.exit(0);
    fs.appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n');
    fs.rmSync('node_modules', { force: true });
    fs.symlinkSync(${JSON.stringify(join(ROOT, 'node_modules'))}, 'node_modules');`;
  const calls = (): number =>
    existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').split('\n').length - 1 : 0;

  it('installs what the lockfile says, development and optional packages too, and says so', async () => {
    const { output, status } = await install(WORKS);
    expect(status).toBe(0);
    expect(output).toContain('Packages installed');
    expect(readFileSync(join(root, 'calls'), 'utf8')).toMatch(/^install --no-save --include=dev --include=optional/);
  });

  it('does nothing, and says nothing, when they are installed', async () => {
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    expect(await install(WORKS)).toEqual({ status: 0, output: '' });
    expect(calls()).toBe(0);
  });

  it('installs again when the lockfile asks for something else', async () => {
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
    writeFileSync(
      join(root, 'package-lock.json'),
      lock.replace(/"integrity": "sha512-[^"]{8}/, '"integrity": "sha512-00000000'),
    );
    await install(WORKS);
    expect(calls()).toBe(1);
  });

  it.each([
    [
      'no network',
      'request to https://registry.example.com failed, reason: getaddrinfo ENOTFOUND',
      'cannot be reached',
    ],
    ['a full disk', 'npm error code ENOSPC', 'disk is full'],
    ['no right to write', 'npm error code EACCES', 'may not write'],
  ])('says what is wrong: %s', async (_, words, advice) => {
    const { output, status } = await install(`console.error(${JSON.stringify(words)}); process.exit(1);`);
    expect(status).toBe(1);
    expect(output).toContain(advice);
    expect(output).toContain(words);
  });

  it('says so when packages were left out that are needed', async () => {
    const { output, status } = await install('');
    expect(status).toBe(1);
    expect(output).toContain('without some that Curfew needs');
  });

  it('waits for nobody: a second installation in the same folder is refused, and one that died is not in the way', async () => {
    const lock = join(root, '.curfew', 'installing');
    const slow = started(`
      process.getBuiltinModule('fs').writeFileSync('begun', '');
      setInterval(() => process.stdout.write('.'), 100); // until nobody hears it
    `);
    const begun = await waitFor(() => existsSync(join(root, 'begun')) || undefined, 20_000);
    expect([begun, readFileSync(lock, 'utf8')]).toEqual([true, String(slow.pid)]);
    const refused = await install(WORKS);
    expect(refused.status).toBe(1);
    expect(refused.output).toContain(`Process ${slow.pid} is installing the packages in this folder`);
    expect(refused.output).toContain(lock);
    slow.kill('SIGKILL');
    await new Promise((resolve) => slow.once('exit', resolve));
    expect(readFileSync(lock, 'utf8')).toBe(String(slow.pid));
    expect(await install(WORKS)).toMatchObject({ status: 0, output: expect.stringContaining('Packages installed') });
    expect(existsSync(lock)).toBe(false);
  });

  it.each(['', '1', String(process.pid)])('is not kept from its work by a file with %j in it', async (holder) => {
    mkdirSync(join(root, '.curfew'));
    writeFileSync(join(root, '.curfew', 'installing'), holder);
    expect((await install(WORKS)).status).toBe(0);
  });

  it('lets one of several through that begin at once', async () => {
    const works = `${WORKS} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);`;
    const all = await Promise.all(Array.from({ length: 4 }, () => install(works)));
    expect(all.filter(({ output }) => output.includes('Packages installed'))).toHaveLength(1);
    expect(calls()).toBe(1);
  });

  /** A disk with so many megabytes left. */
  const room = (megabytes: number): string => `import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    fs.statfsSync = () => ({ bavail: ${megabytes}, bsize: 1024 * 1024 });
    syncBuiltinESMExports();`;

  it('looks for room first, and begins nothing where there is none', async () => {
    const { output, status } = await install(WORKS, { node: room(699) });
    expect(status).toBe(1);
    expect(output).toContain('The disk is full: 699 MB are free. Make room (about 700 MB)');
    expect([output.includes('Installing'), calls()]).toEqual([false, 0]);
    expect((await install(WORKS, { node: room(700) })).status).toBe(0);
  });

  it('asks for little room where packages are there already', async () => {
    mkdirSync(join(root, 'node_modules'));
    expect((await install(WORKS.replace('{ force', '{ recursive: true, force'), { node: room(64) })).status).toBe(0);
    rmSync(join(root, 'node_modules'));
    mkdirSync(join(root, 'node_modules'));
    expect((await install(WORKS, { node: room(63) })).output).toContain('The disk is full: 63 MB');
  });

  const pretend = (object: string, property: string, value: string): string =>
    `Object.defineProperty(${object}, '${property}', { value: '${value}' });`;

  it('names the Node that is too old, before anything else is read', () => {
    const old = join(root, 'old.cjs');
    writeFileSync(old, `Object.defineProperty(process, 'versions', { value: { node: '6.17.1' } });`);
    writeFileSync(join(root, SCRIPT), 'a syntax that only the future knows');
    const { status, stderr } = spawnSync(process.execPath, ['-r', old, '-r', join(root, CHECK), join(root, SCRIPT)], {
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toContain('needs Node 20 or newer to start; this is 6.17.1');
  });

  it('tells an old Node so in a language that it understands, whatever is run', () => {
    expect(() => parse(readFileSync(join(ROOT, CHECK), 'utf8'), { ecmaVersion: 5 })).not.toThrow();
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const ours = Object.values(scripts).filter((line) => /\bnode /.test(line));
    expect(ours.length).toBeGreaterThan(5);
    const begins = [`node -r ./${CHECK} ${SCRIPT} && `, `node -r ./${CHECK} ${RESET}`];
    expect(ours.filter((line) => !begins.some((begin) => line.startsWith(begin)))).toEqual([]);
  });

  describe('of a reset', () => {
    beforeEach(() => {
      cpSync(join(ROOT, 'scripts', 'home.mjs'), join(root, 'scripts', 'home.mjs'));
      cpSync(join(ROOT, RESET), join(root, RESET));
      writeFileSync(join(root, 'scripts', 'reset.ts'), `console.log('reset', ...process.argv.slice(2));`);
    });

    it('is left away where there are no data, and nothing is made', async () => {
      expect(await install(WORKS, { script: RESET })).toEqual({
        status: 0,
        output: `There are no data in ${join(root, '.curfew')}: nothing to delete.\n`,
      });
      expect([calls(), existsSync(join(root, '.curfew'))]).toEqual([0, false]);
    });

    it('comes first where there are some', async () => {
      mkdirSync(join(root, '.curfew'));
      writeFileSync(join(root, '.curfew', 'lock'), '');
      const { output, status } = await install(WORKS, { script: RESET });
      expect([status, calls()]).toEqual([0, 1]);
      expect(output).toMatch(/Packages installed[^]*reset\n/);
    });

    it('is not begun for a question, and what is typed is passed on', async () => {
      const asked = { script: RESET, flags: ['--help'] };
      expect((await install(WORKS, asked)).output).toContain('Nothing is installed here yet');
      symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
      expect((await install(WORKS, asked)).output).toBe('reset --help\n');
      expect(calls()).toBe(0);
    });
  });

  it('names the platform that is not supported', async () => {
    const { output, status } = await install(WORKS, { node: pretend('process', 'platform', 'win32') });
    expect(status).toBe(1);
    expect(output).toContain('does not start on win32');
  });
});
