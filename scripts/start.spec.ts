import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { allGone, FakeClone } from '../test/support/fake-clone';
import { EXIT_MISCONFIGURED } from '../libs/platform/src/lifecycle';
import { has, needs } from '../test/support/needs';
import { APPS } from './clone';
import { SUPERUSER } from './embedded-postgres';
import { tryLock } from './lock';
import { freePort } from './ports';
import { commandOf } from './processes';
import { waitFor } from './waiting';

const NOBODY = 65_534;

describe('npm start', () => {
  const clones: FakeClone[] = [];
  afterEach(async () => {
    for (const clone of clones.splice(0)) await clone.remove();
  });
  const aClone = (): FakeClone => {
    const clone = new FakeClone();
    clones.push(clone);
    return clone;
  };
  const until = async (what: () => boolean): Promise<void> => {
    expect(await waitFor(() => (what() ? true : undefined), 20_000)).toBe(true);
  };
  /** A port that somebody has for the length of a test. */
  const takenPort = async (asked?: number): Promise<{ port: number; release: () => void }> => {
    const server = createServer();
    const port = asked ?? (await freePort());
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return { port, release: () => void server.close() };
  };

  it('says where Curfew runs, and tells each process what it needs and nothing else', async () => {
    const clone = aClone();
    const port = await freePort();
    const running = await clone.started({
      env: { PORT: String(port), SECRET_OF_THIS_SHELL: 'x', OIDC_SCOPE: 'openid', HOST: '0.0.0.0' },
    });
    expect(running.output).toContain('not used, since npm start makes these itself: HOST');
    expect(running.output).toContain(`Curfew runs at  http://127.0.0.1:${port}`);
    const environment = (name: string): NodeJS.ProcessEnv =>
      JSON.parse(clone.read(`environment-${name}.json`)) as NodeJS.ProcessEnv;
    const own = (name: string): string[] =>
      Object.keys(environment(name))
        .filter((key) => !['PATH', 'HOME', 'NODE_CHANNEL_FD'].includes(key))
        .toSorted();
    const everybody = ['CURFEW_ENV', 'DATABASE_URL', 'HOST', 'PORT'];
    const both = [...everybody, 'ALLOWED_TARGET_NETWORKS', 'SEALING_KEY_FILE'];
    const demo = ['CURFEW_DEMO', 'CURFEW_DEMO_FILE'];
    expect(own('api')).toEqual([...both, ...demo, 'OIDC_SCOPE', 'PUBLIC_URL'].toSorted());
    expect(own('worker')).toEqual([...both, 'PROOF_KEY_FILE'].toSorted());
    expect(own('timekeeper')).toEqual(everybody);
    expect(environment('api')['HOST']).toBe('127.0.0.1');
    expect(new URL(environment('worker')['DATABASE_URL'] ?? '').username).toBe('curfew_worker');
    expect(clone.trace[0]).toBe('migrated');
  });

  it('shows no accounts that cannot sign in, and seeds what they own only when it is asked to', async () => {
    const OIDC_ISSUER = 'https://id.example.com';
    for (const env of [{ OIDC_ISSUER }, { OIDC_ISSUER, CURFEW_DEMO: '1' }]) {
      const clone = aClone();
      const running = await clone.started({ env });
      expect(running.output).toContain('./curfew targets list');
      expect(running.output).not.toMatch(/demo\.json|as ada|orders-db/);
      expect(clone.has('.curfew/demo.json')).toBe('CURFEW_DEMO' in env);
      running.child.kill('SIGINT');
      expect(await running.ended).toBe(0);
    }
  });

  it('keeps what it makes to itself: files 0600, keys of 32 bytes, passwords on a terminal only', async () => {
    const clone = aClone();
    const running = await clone.started();
    const files = ['database.json', 'demo.json', 'run.json', 'ports.json', 'keys/sealing.key', 'keys/proof.key'];
    files.push(...readdirSync(join(clone.home, 'logs')).map((name) => `logs/${name}`));
    expect(files.filter((name) => (statSync(join(clone.home, name)).mode & 0o077) !== 0)).toEqual([]);
    const key = (name: string): string => clone.read(`.curfew/keys/${name}.key`);
    expect(Buffer.from(key('sealing'), 'base64')).toHaveLength(32);
    expect(key('proof')).not.toBe(key('sealing'));
    const { accounts } = JSON.parse(clone.read('.curfew/demo.json')) as { accounts: { password: string }[] };
    expect(accounts.filter(({ password }) => running.output.includes(password))).toEqual([]);
    expect(running.output).toContain('demo.json');
  });

  it('stops on Ctrl-C in order, the database last, and leaves no process', async () => {
    const clone = aClone();
    const running = await clone.started();
    const { pids } = clone;
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(0);
    expect(clone.trace.slice(-3)).toEqual([
      'api ended on SIGTERM with database',
      'worker ended on SIGTERM with database',
      'timekeeper ended on SIGTERM with database',
    ]);
    expect(await allGone(pids, 0)).toEqual([]);
  });

  it('stops a database too that is just being started again', async () => {
    const clone = aClone();
    const running = await clone.started();
    // A server that reads its configuration from a pipe is no server before somebody has written to it, twice.
    execFileSync('mkfifo', ['-m', '666', join(clone.home, 'pipe')]);
    appendFileSync(join(clone.home, 'postgres/data/postgresql.conf'), `include '${join(clone.home, 'pipe')}'\n`);
    process.kill(clone.runFile.database?.pid ?? 0, 'SIGKILL');
    await running.says('PostgreSQL ended: starting it again');
    const server = await waitFor(() => childrenOf(running.child.pid).find(isServer), 10_000);
    running.child.kill('SIGINT');
    await until(() => clone.trace.some((line) => line.startsWith('timekeeper ended')));
    const writer = spawn('/bin/sh', ['-c', 'while :; do : > "$0"; done', join(clone.home, 'pipe')]);
    onTestFinished(() => void writer.kill('SIGKILL'));
    expect(await running.ended).toBe(0);
    expect(await allGone([server ?? 0], 2_000)).toEqual([]);
  });

  it('runs in a folder whose name means something to a shell', async () => {
    const clone = new FakeClone('a clone for $5, `id` and "more" ');
    clones.push(clone);
    installed(clone);
    const running = await clone.started();
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(0);
  });

  it('stops while it is still starting', async () => {
    const clone = aClone();
    const running = clone.run('start.ts');
    await running.says('PostgreSQL on');
    running.child.kill('SIGTERM');
    expect(await running.ended).toBe(0);
    expect(clone.has('.curfew/postgres/data/postmaster.pid')).toBe(false);
  });

  it('ends with the npm that started it', async () => {
    const clone = aClone();
    const shell = ['-c', '"$0" scripts/start.ts & echo $! > starter; wait', process.execPath];
    const running = clone.shell(shell, { npm_lifecycle_event: 'start' });
    await running.says('Ctrl-C stops everything');
    const { pids } = clone;
    running.child.kill('SIGKILL');
    expect(await allGone(pids, 10_000)).toEqual([]);
    expect(clone.trace.at(-1)).toBe('timekeeper ended on SIGTERM with database');
  });

  it('killed with -9, leaves processes that end within 2 s, and data that the next start goes on with', async () => {
    const clone = aClone();
    const first = await clone.started();
    const { pids, runFile } = clone;
    first.child.kill('SIGKILL');
    expect(await allGone(pids, 2_000)).toEqual([]);
    const made = ['database.json', 'demo.json', 'keys/sealing.key', 'ports.json'].map((name) =>
      clone.read(`.curfew/${name}`),
    );
    await clone.started();
    expect(
      ['database.json', 'demo.json', 'keys/sealing.key', 'ports.json'].map((name) => clone.read(`.curfew/${name}`)),
    ).toEqual(made);
    expect(clone.runFile.url).toBe(runFile.url);
  });

  it('killed with -9, leaves no database behind, whoever is still in it', async () => {
    const clone = aClone();
    const running = await clone.started();
    const { pids } = clone;
    const { superuserPassword } = JSON.parse(clone.read('.curfew/database.json')) as { superuserPassword: string };
    const { host, port } = clone.runFile.database ?? {};
    const at = { host: host!, port: port!, user: SUPERUSER, password: superuserPassword, database: 'curfew' };
    const session = new pg.Client(at);
    const cut = new Promise((resolve) => session.on('error', resolve));
    await session.connect();
    await session.query('BEGIN');
    running.child.kill('SIGKILL');
    expect(await allGone(pids, 2_000)).toEqual([]);
    await cut;
  });

  it('starts a process again that dies, and the database too', async () => {
    const clone = aClone();
    const running = await clone.started();
    const { database, processes } = clone.runFile;
    process.kill(processes.worker?.pid ?? 0, 'SIGKILL');
    await running.says('worker is ready again');
    expect(clone.runFile.processes.worker).toMatchObject({ state: 'ready', restarts: 1 });
    process.kill(database?.pid ?? 0, 'SIGKILL');
    await running.says('PostgreSQL is ready again');
    expect(clone.runFile.database).toMatchObject({ port: database?.port });
    expect(clone.runFile.database?.pid).not.toBe(database?.pid);
  });

  it('goes on when nothing can be written any more', async () => {
    const clone = aClone();
    const running = await clone.started();
    const { processes } = clone.runFile;
    clone.unlink('.curfew/run.json');
    mkdirSync(join(clone.home, 'run.json'));
    process.kill(processes.worker?.pid ?? 0, 'SIGKILL');
    await running.says('worker is ready again');
    expect(running.output.match(/run\.json says what was before/g)).toHaveLength(1);
    rmdirSync(join(clone.home, 'run.json'));
    process.kill(processes.timekeeper?.pid ?? 0, 'SIGKILL');
    await running.says('timekeeper is ready again');
    expect(clone.runFile.processes.worker).toMatchObject({ state: 'ready', restarts: 1 });
  });

  it('goes on trying at least every two seconds with a process that dies at once', async () => {
    const clone = aClone();
    const running = await clone.started();
    clone.write('broken-timekeeper');
    process.kill(clone.runFile.processes.timekeeper?.pid ?? 0, 'SIGKILL');
    const attempts = (): number => clone.trace.filter((line) => line === 'timekeeper broken').length;
    await until(() => attempts() >= 6);
    const before = attempts();
    await until(() => attempts() > before);
    clone.unlink('broken-timekeeper');
    await running.says('timekeeper is ready again', 4_000);
    expect(clone.runFile.processes.timekeeper?.restarts).toBeGreaterThan(6);
  });

  it('gives up on a process that never starts, with its last words, and leaves nothing behind', async () => {
    const clone = aClone();
    clone.write('broken-api');
    const running = clone.run('start.ts');
    expect(await running.ended).toBe(1);
    expect(running.output).toContain('api does not start: it ended with code 7');
    expect(running.output).toContain('broken on purpose');
    expect(clone.has('.curfew/postgres/data/postmaster.pid')).toBe(false);
    expect(clone.has('.curfew/run.json')).toBe(false);
  });

  it('gives up at once, in its words, on a process that cannot start with what it was given', async () => {
    const clone = aClone();
    clone.app('worker', `console.error('curfew-worker does not start: mend X'); process.exit(${EXIT_MISCONFIGURED});`);
    const running = clone.run('start.ts');
    expect(await running.ended).toBe(1);
    expect(running.output).toContain('worker does not start with what it was given');
    expect(running.output).toContain('curfew-worker does not start: mend X');
    expect(running.output).not.toContain('starting it again');
    expect(clone.has('.curfew/postgres/data/postmaster.pid')).toBe(false);
  });

  it('shows all that a process says about why it does not start', async () => {
    const clone = aClone();
    const problems = Array.from({ length: 20 }, (_, index) => `  policies/a.cedar:${index + 1}: no such thing`);
    clone.write('words', ['curfew-api does not start: the policies are not valid', ...problems, 'Mend it.'].join('\n'));
    clone.app('api', `console.error(process.getBuiltinModule('fs').readFileSync('words', 'utf8')); process.exit(1);`);
    const running = clone.run('start.ts');
    expect(await running.ended).toBe(1);
    expect(problems.filter((line) => !running.output.includes(`${line}\n`))).toEqual([]);
    expect(running.output).toContain('Mend it.');
  });

  it('gives up when the database cannot be migrated, with the reason', async () => {
    const clone = aClone();
    clone.write('broken-migrate');
    const running = clone.run('start.ts');
    expect(await running.ended).toBe(1);
    expect(running.output).toContain('no such table');
  });

  it('takes another port when the one it wants is taken, and says so', async () => {
    const clone = aClone();
    const taken = await takenPort();
    const running = await clone.started({ env: { PORT: String(taken.port) } });
    taken.release();
    expect(running.output).toContain(`port ${taken.port} is taken`);
    expect(clone.runFile.url).not.toContain(`:${taken.port}`);
  });

  it('runs in two clones that start at the same instant and want the same port', async () => {
    const [one, other] = [aClone(), aClone()];
    const env = { PORT: String(await freePort()) };
    await Promise.all([one.started({ env }), other.started({ env })]);
    expect(one.runFile.url).not.toBe(other.runFile.url);
    for (const clone of [one, other]) {
      await until(() => Object.values(clone.runFile.processes).every(({ state }) => state === 'ready'));
      const told = JSON.parse(clone.read('environment-api.json')) as NodeJS.ProcessEnv;
      expect(told['PUBLIC_URL']).toBe(clone.runFile.url);
    }
  });

  it('takes another port when somebody is faster at the one it had chosen, and says that alone', async () => {
    const clone = aClone();
    clone.write('held-api');
    const port = await freePort();
    const running = clone.run('start.ts', { env: { PORT: String(port) } });
    await until(() => clone.has('environment-api.json'));
    const taken = await takenPort(port);
    clone.unlink('held-api');
    await running.says('Ctrl-C stops everything');
    taken.release();
    const words = running.output.split('\n').filter((line) => line.startsWith('!'));
    expect(words).toEqual([expect.stringMatching(`port ${port} is taken: the API is on \\d+`)]);
    const { processes, url } = clone.runFile;
    expect(Object.values(processes).map(({ restarts, state }) => [restarts, state])).toEqual(
      APPS.map(() => [0, 'ready']),
    );
    expect(processes.api?.address).toBe(url);
    expect(running.output).toContain(`Curfew runs at  ${url}`);
  });

  it('moves the database when somebody has its port by now', async () => {
    const clone = aClone();
    const first = await clone.started();
    const port = clone.runFile.database?.port ?? 0;
    first.child.kill('SIGINT');
    await first.ended;
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
    const second = await clone.started();
    squatter.close();
    expect(second.output).toContain(`port ${port} is taken: PostgreSQL is on`);
    const { targets } = JSON.parse(clone.read('.curfew/demo.json')) as {
      targets: { file: { connection: { port: number } } }[];
    };
    expect(targets[0]?.file.connection.port).toBe(clone.runFile.database?.port);
  });

  it('carries a CURFEW_HOME of its own in the commands that it prints', async () => {
    const clone = aClone();
    const home = join(clone.root, `somebody's home`);
    const running = await clone.started({ env: { CURFEW_HOME: `somebody's home` } });
    expect(running.output).toContain(`CURFEW_HOME='${clone.root}/somebody'\\''s home' ./curfew login\n`);
    const commands = running.output.match(/(\S*\/curfew) (login|request|inbox)/g);
    expect(running.output.match(/CURFEW_HOME='/g)).toHaveLength(commands?.length ?? 0);
    expect(running.output).toContain(`The data stay in ${home};`);
    running.child.kill('SIGINT');
    await running.ended;
  });

  it.each(['a-file', 'a-file/below', 'a-link', ...(process.platform === 'linux' ? ['/proc/x'] : [])])(
    'says so when CURFEW_HOME is %s, asked or started',
    async (CURFEW_HOME) => {
      const clone = aClone();
      clone.write('a-file');
      symlinkSync(join(clone.root, 'nowhere'), join(clone.root, 'a-link'));
      for (const flags of [[], ['--status']]) {
        const running = clone.run('start.ts', { flags, env: { CURFEW_HOME } });
        const asked = flags.length > 0 && !CURFEW_HOME.startsWith('a-file');
        expect(await running.ended).toBe(asked ? 3 : 1);
        expect(running.output).toContain(asked ? 'Curfew does not run here' : resolve(clone.root, CURFEW_HOME));
        expect(running.output).not.toContain('should not have happened');
      }
    },
  );

  it('started twice, says where it runs', async () => {
    const clone = aClone();
    await clone.started();
    const second = clone.run('start.ts');
    expect(await second.ended).toBe(0);
    const { pid, url } = clone.runFile;
    expect(second.output).toContain(`Curfew runs here already, at ${url} (process ${pid}, since `);
  });

  it('started twice while the first is still at it, says who that is, and not what a dead one left', async () => {
    const clone = aClone();
    const dead = await clone.started();
    dead.child.kill('SIGKILL');
    clone.write('held-migrate');
    const first = clone.run('start.ts');
    await first.says('PostgreSQL on');
    const second = clone.run('start.ts');
    expect(await second.ended).toBe(0);
    expect(second.output).toContain(`Curfew is being started here already (process ${first.child.pid}, since `);
    const status = clone.run('start.ts', { flags: ['--status'] });
    expect(await status.ended).toBe(1);
    expect(status.output).toContain(`(process ${first.child.pid}, since `);
    const reset = clone.run('reset.ts');
    expect(await reset.ended).toBe(1);
    expect(reset.output).toContain(`Curfew runs here (process ${first.child.pid}, since `);
    clone.unlink('held-migrate');
    await first.says('Ctrl-C stops everything');
  });

  it('started while something else has the folder, waits a moment and says so', async () => {
    const clone = aClone();
    const dead = await clone.started();
    dead.child.kill('SIGKILL');
    await dead.ended;
    const lock = tryLock(join(clone.home, 'lock'));
    const running = clone.run('start.ts');
    expect(await running.ended).toBe(1);
    expect(running.output).not.toContain(`process ${dead.child.pid}`);
    expect(running.output).toContain(`another process is at work in ${clone.home}`);
    expect(running.output).toContain('npm run reset');
    lock?.release();
    await clone.started();
  });

  it('answers --status: what runs, what does not, and that nothing runs', async () => {
    const clone = aClone();
    const before = clone.run('start.ts', { flags: ['--status'] });
    expect(await before.ended).toBe(3);
    await clone.started();
    const during = clone.run('start.ts', { flags: ['--status'] });
    expect(await during.ended).toBe(0);
    expect(during.output).toMatch(/api +ready +process \d+, http:/);
    for (const words of ['restarted once', 'restarted 2 times']) {
      const { pid, restarts = 0 } = clone.runFile.processes.timekeeper ?? {};
      process.kill(pid ?? 0, 'SIGKILL');
      await until(() => {
        const { state, restarts: since } = clone.runFile.processes.timekeeper ?? {};
        return state === 'ready' && since === restarts + 1;
      });
      const after = clone.run('start.ts', { flags: ['--status'] });
      expect(await after.ended).toBe(0);
      expect(after.output).toMatch(new RegExp(`timekeeper +ready +process .*, ${words}\n`));
    }
    clone.write('broken-worker');
    process.kill(clone.runFile.processes.worker?.pid ?? 0, 'SIGKILL');
    await until(() => clone.runFile.processes.worker?.state !== 'ready');
    const limping = clone.run('start.ts', { flags: ['--status'] });
    expect(await limping.ended).toBe(1);
  });

  it('says that the Redis of REDIS_URL does not answer, without its password, and goes on; --status says it too', async () => {
    const clone = aClone();
    const where = `127.0.0.1:${await freePort()}`;
    const running = await clone.started({ env: { REDIS_URL: `redis://ada:sesame@${where}/0` } });
    expect(running.output).toContain(`Redis on ${where}, as REDIS_URL says, does not answer: nobody answers there`);
    expect(running.output).toContain('Mend REDIS_URL and start again');
    const status = async (): Promise<string> => {
      const asked = clone.run('start.ts', { flags: ['--status'] });
      expect(await asked.ended).toBe(0);
      return asked.output;
    };
    clone.write('readyz-api', '{"status":"ready","checks":{"queue":{"ok":true,"warning":true}}}');
    const away = await status();
    expect(away).toContain(`Redis on ${where}: does not answer (REDIS_URL)`);
    clone.write('readyz-api', '{"status":"ready","checks":{"queue":{"ok":true}}}');
    const there = await status();
    expect(there).toContain(`Redis on ${where} (answers)`);
    expect(running.output + away + there + clone.read('.curfew/run.json')).not.toContain('sesame');
  });

  it('refuses a REDIS_URL that is no address', async () => {
    const refused = aClone().run('start.ts', { env: { REDIS_URL: 'cache:6379' } });
    expect(await refused.ended).toBe(1);
    expect(refused.output).toContain('REDIS_URL is not the address of a Redis');
  });

  it('does not put a new key in the place of a lost one', async () => {
    const clone = aClone();
    const first = await clone.started();
    first.child.kill('SIGINT');
    await first.ended;
    clone.unlink('.curfew/keys/sealing.key');
    const second = clone.run('start.ts');
    expect(await second.ended).toBe(1);
    expect(second.output).toContain('sealing.key is missing');
  });

  it('resets: not while it runs, and then everything it made', async () => {
    const clone = aClone();
    const running = await clone.started();
    const refused = clone.run('reset.ts');
    expect(await refused.ended).toBe(1);
    expect(refused.output).toContain('Nothing was deleted');
    running.child.kill('SIGINT');
    await running.ended;
    clone.write('.curfew/somebody-elses');
    const reset = clone.run('reset.ts');
    expect(await reset.ended).toBe(0);
    expect(reset.output).toContain(clone.home);
    expect(readdirSync(clone.home)).toEqual(['somebody-elses']);
  });

  it('resets after kill -9, database and all', async () => {
    const clone = aClone();
    const running = await clone.started();
    const { pids } = clone;
    running.child.kill('SIGKILL');
    const reset = clone.run('reset.ts');
    expect(await reset.ended).toBe(0);
    expect(await allGone(pids, 0)).toEqual([]);
    expect(readdirSync(clone.home)).toEqual([]);
  });

  it.runIf(has('root'))(`runs as an ordinary user${needs('root')}`, async () => {
    const clone = aClone();
    clone.own(NOBODY);
    const running = await clone.started({ uid: NOBODY });
    const { pids } = clone;
    expect(pids.filter((pid) => statSync(`/proc/${pid}`).uid !== NOBODY)).toEqual([]);
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(0);
    expect(await allGone(pids, 0)).toEqual([]);
  });

  it.runIf(has('root'))(
    `as root in a home that is closed to others, keeps the database elsewhere${needs('root')}`,
    async () => {
      const clone = aClone();
      chmodSync(clone.root, 0o700);
      chownSync(clone.root, 0, 0);
      const running = await clone.started();
      const { serverFolder } = JSON.parse(clone.read('.curfew/database.json')) as { serverFolder: string };
      expect(serverFolder.startsWith(clone.root)).toBe(false);
      expect(running.output).toContain(`The data stay in ${clone.home} and ${serverFolder};`);
      running.child.kill('SIGINT');
      await running.ended;
      const reset = clone.run('reset.ts');
      await reset.ended;
      expect(reset.output).toContain(serverFolder);
      expect(() => statSync(serverFolder)).toThrow('ENOENT');
    },
  );

  it.runIf(has('mount'))(`as root on a disk that is full, says so wherever it notices${needs('mount')}`, async () => {
    const clone = aClone();
    installed(clone);
    chmodSync(clone.root, 0o700);
    const disk = mkdtempSync(join(tmpdir(), 'curfew-disk-'));
    chmodSync(disk, 0o755);
    // The binaries do not fit on the one; on the other there is no room for the data.
    for (const megabytes of [30, 80]) {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'none', disk]);
      try {
        const running = clone.run('start.ts', { env: { CURFEW_HOME: join(disk, 'home') } });
        expect(await running.ended).toBe(1);
        expect(running.output).toContain('The disk is full: make room and start again');
        expect(running.output).not.toMatch(/should not have happened|EIO/);
      } finally {
        execFileSync('umount', [disk]);
      }
    }
    rmSync(disk, { recursive: true });
  });

  describe('its demo', () => {
    const login = async (clone: FakeClone, database: string): Promise<pg.Client> => {
      const { targets } = JSON.parse(clone.read('.curfew/demo.json')) as {
        targets: { file: { connection: { host: string; port: number; user: string } }; password: string }[];
      };
      const { file, password } = targets[0]!;
      const client = new pg.Client({ ...file.connection, database, password });
      await client.connect();
      return client;
    };

    it('is a database whose account for Curfew may hand out the group roles and nothing else', async () => {
      const clone = aClone();
      await clone.started();
      const admin = await login(clone, 'orders');
      try {
        await expect(admin.query('SELECT * FROM orders')).rejects.toThrow('permission denied');
        await expect(admin.query('SET ROLE orders_read')).rejects.toThrow('permission denied');
        await admin.query('CREATE ROLE reader LOGIN');
        await admin.query('GRANT orders_read TO reader WITH INHERIT TRUE, SET FALSE');
        await admin.query('GRANT reader TO CURRENT_USER');
        await admin.query('SET ROLE reader');
        const { rows } = await admin.query('SELECT item FROM orders');
        expect(rows).toHaveLength(5);
      } finally {
        await admin.end();
      }
      await expect(login(clone, 'curfew')).rejects.toThrow('permission denied for database');
      await expect(login(clone, 'postgres')).rejects.toThrow('permission denied for database');
    });

    it('is left as it is by the next start', async () => {
      const clone = aClone();
      const first = await clone.started();
      first.child.kill('SIGINT');
      await first.ended;
      await clone.started();
      const admin = await login(clone, 'orders');
      const { rows } = await admin.query(`SELECT count(*) FROM pg_tables WHERE tableowner = 'orders_owner'`);
      await admin.end();
      expect(rows).toEqual([{ count: '2' }]);
    });
  });
});

function childrenOf(pid = 0): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return lines
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child = 0, parent]) => (parent === pid ? [child] : []));
}

const isServer = (pid: number): boolean => commandOf(pid).includes('/bin/postgres -D ');

/** With the binaries of PostgreSQL in its own folder, as after an installation, and not in that of these sources. */
function installed(clone: FakeClone): void {
  const [ours, theirs] = [realpathSync(join(clone.root, 'node_modules')), join(clone.root, 'node_modules')];
  rmSync(theirs);
  mkdirSync(theirs);
  for (const name of readdirSync(ours).filter((each) => each !== '@embedded-postgres'))
    symlinkSync(join(ours, name), join(theirs, name));
  execFileSync('cp', ['-R', join(ours, '@embedded-postgres'), theirs]);
}
