import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiEnvironment, migrateEnvironment, timekeeperEnvironment, workerEnvironment } from '@app/platform';
import { Failure } from './failure';
import { readSettings, type Settings } from './settings';
import { VARIABLES } from './variables';

const url = 'postgres://owner:secret@db:5432/curfew';
const OIDC_ISSUER = 'https://id.example.com';

const onLoopback = { ALLOWED_TARGET_NETWORKS: '127.0.0.0/8' };

describe('what the environment asks of a start', () => {
  it.each([
    ['nothing', {}, 'a demo with accounts'],
    ['CURFEW_DEMO=0 and an issuer', { CURFEW_DEMO: '0', OIDC_ISSUER }, 'no demo'],
    ['an issuer', { OIDC_ISSUER }, 'no demo'],
    ['an issuer and CURFEW_DEMO=1', { OIDC_ISSUER, CURFEW_DEMO: '1' }, 'a demo'],
    ['a database and an issuer', { DATABASE_URL: url, OIDC_ISSUER }, 'no demo'],
    ['a database and CURFEW_DEMO=1', { DATABASE_URL: url, CURFEW_DEMO: '1' }, 'a demo with accounts'],
    ['production and an issuer', { CURFEW_ENV: 'production', OIDC_ISSUER }, 'no demo'],
    ['empty variables', { DATABASE_URL: '', CURFEW_DEMO: '', OIDC_ISSUER: '', CURFEW_ENV: '' }, 'a demo with accounts'],
  ])('with %s, seeds the demo or not, and shows accounts where they can sign in', (_, environment, expected) => {
    const { demo, demoAccounts } = readSettings(environment);
    expect(`${demo ? 'a demo' : 'no demo'}${demoAccounts ? ' with accounts' : ''}`).toBe(expected);
  });

  it('refuses a start that nobody could sign in to, and names the two ways out', () => {
    const refusal = catching(() => readSettings({ DATABASE_URL: url }));
    expect(refusal.message).toContain('nobody could sign in');
    expect(refusal.advice.join('\n')).toMatch(/OIDC_ISSUER[^]*CURFEW_DEMO=1/);
  });

  it('refuses the demo in production, and production without an issuer', () => {
    const demo = { CURFEW_ENV: 'production', CURFEW_DEMO: '1', OIDC_ISSUER };
    expect(catching(() => readSettings(demo)).message).toContain('refuses the demo');
    expect(catching(() => readSettings({ CURFEW_ENV: 'production' })).message).toContain('nobody could sign in');
  });

  it('refuses a CURFEW_ENV that is none, with the two that there are', () => {
    const refusal = catching(() => readSettings({ CURFEW_ENV: 'prod', OIDC_ISSUER }));
    expect(refusal.message).toBe('CURFEW_ENV is neither development nor production');
  });

  it.each(['0', '65536', '80x', '-1', '1.5'])('refuses the port %s', (PORT) => {
    expect(catching(() => readSettings({ PORT })).message).toContain('PORT is not a port');
  });

  it('hands on to each process what it knows, and nothing else', () => {
    const { processes } = readSettings({
      OIDC_ISSUER,
      OIDC_CLIENT_SECRET: 'secret',
      OIDC_UNKNOWN: 'x',
      AWS_SECRET_ACCESS_KEY: 'secret',
      REDIS_URL: 'redis://localhost',
      STUCK_AFTER_SECONDS: '5',
    });
    const everybody = { CURFEW_ENV: 'development', REDIS_URL: 'redis://localhost' };
    expect(processes).toEqual({
      api: { ...everybody, ...onLoopback, OIDC_ISSUER, OIDC_CLIENT_SECRET: 'secret' },
      worker: { ...everybody, ...onLoopback, STUCK_AFTER_SECONDS: '5' },
      timekeeper: everybody,
    });
  });

  it('lets those who try Curfew have targets on this machine, besides those that they name, and nobody in production', () => {
    const networks = (environment: NodeJS.ProcessEnv) => {
      const { api, worker, timekeeper } = readSettings({ OIDC_ISSUER, ...environment }).processes;
      return [api, worker, timekeeper].map((one) => one['ALLOWED_TARGET_NETWORKS']);
    };
    const [own, both] = ['169.254.7.0/24', '169.254.7.0/24,127.0.0.0/8'];
    expect(networks({})).toEqual(['127.0.0.0/8', '127.0.0.0/8', undefined]);
    expect(networks({ ALLOWED_TARGET_NETWORKS: own })).toEqual([both, both, undefined]);
    const production = { CURFEW_ENV: 'production' };
    expect(networks(production)).toEqual([undefined, undefined, undefined]);
    expect(networks({ ...production, ALLOWED_TARGET_NETWORKS: own })).toEqual([own, own, undefined]);
  });

  it('knows what becomes of every variable of every process', () => {
    const schemas = {
      api: apiEnvironment,
      worker: workerEnvironment,
      timekeeper: timekeeperEnvironment,
      migrate: migrateEnvironment,
    };
    const names = (tables: Readonly<Record<string, object>>): Record<string, string[]> =>
      Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, Object.keys(table).toSorted()]));
    expect(names(VARIABLES)).toEqual(
      names(Object.fromEntries(Object.entries(schemas).map(([name, { shape }]) => [name, shape]))),
    );
  });

  it('names what is set and not used, instead of ignoring it silently', () => {
    const environment = { HOST: '0.0.0.0', SEALING_KEY_FILE: '/key', PUBLIC_URL_FILE: '/url', CURFEW_DEMO_FILE: '' };
    expect(readSettings(environment).unused.toSorted()).toEqual(['HOST', 'PUBLIC_URL_FILE', 'SEALING_KEY_FILE']);
    expect(readSettings({ PATH: '/bin', OIDC_ISSUER }).unused).toEqual([]);
  });

  describe('from files', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'settings, with spaces '));
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return name;
    };
    const read = (environment: NodeJS.ProcessEnv): Settings => readSettings({ INIT_CWD: folder, ...environment });

    it('goes by what is in them itself, and hands the others on as the files they are', () => {
      const settings = read({
        DATABASE_URL_FILE: file('database', `${url}\n`),
        PORT_FILE: file('port', '8000\n'),
        OIDC_ISSUER_FILE: file('issuer', OIDC_ISSUER),
        OIDC_CLIENT_SECRET_FILE: file('secret', 'hunter2\n'),
        LOG_LEVEL_FILE: file('level', 'debug'),
      });
      expect(settings).toMatchObject({ databaseUrl: url, demo: false, port: 8_000 });
      const everybody = { CURFEW_ENV: 'development', LOG_LEVEL_FILE: join(folder, 'level') };
      const oidc = {
        OIDC_ISSUER_FILE: join(folder, 'issuer'),
        OIDC_CLIENT_SECRET_FILE: join(folder, 'secret'),
      };
      expect(settings.processes).toEqual({
        api: { ...everybody, ...onLoopback, ...oidc },
        worker: { ...everybody, ...onLoopback },
        timekeeper: everybody,
      });
    });

    it('takes the variable itself first, and an empty file for none', () => {
      const empty = file('empty', '\n');
      expect(read({ PORT: '9000', PORT_FILE: file('port', '8000') }).port).toBe(9_000);
      const { databaseUrl, processes } = read({ DATABASE_URL_FILE: empty, REDIS_URL_FILE: empty });
      expect([databaseUrl, processes.worker]).toEqual([undefined, { CURFEW_ENV: 'development', ...onLoopback }]);
      expect(catching(() => read({ CURFEW_DEMO: '0', OIDC_ISSUER_FILE: empty })).message).toContain('nobody could');
    });

    it('refuses production in a file as well', () => {
      const environment = { CURFEW_ENV_FILE: file('mode', 'production'), CURFEW_DEMO: '1', OIDC_ISSUER };
      expect(catching(() => read(environment)).message).toContain('refuses the demo');
    });

    it('says which file cannot be read, before anything is started', () => {
      const refusal = catching(() => read({ OIDC_CLIENT_SECRET_FILE: 'nowhere' }));
      expect(refusal.message).toContain('OIDC_CLIENT_SECRET_FILE');
      expect(refusal.advice.join()).toContain(join(folder, 'nowhere'));
    });

    it('takes a folder of policies from where npm was called', () => {
      mkdirSync(join(folder, 'mine'));
      expect(read({ POLICY_DIR: 'mine' }).processes.api['POLICY_DIR']).toBe(join(folder, 'mine'));
    });

    it.each(['nowhere', 'a-file', 'a-file/below'])('refuses %s as the folder of policies', (POLICY_DIR) => {
      writeFileSync(join(folder, 'a-file'), '');
      expect(() => read({ POLICY_DIR })).toThrow(`POLICY_DIR is not a folder: ${join(folder, POLICY_DIR)}`);
    });
  });
});

function catching(work: () => unknown): Failure {
  try {
    work();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
