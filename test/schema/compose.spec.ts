import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ZodObject } from 'zod';
import { Secret } from '@app/kernel';
import {
  apiEnvironment,
  LocalKeySealer,
  migrateEnvironment,
  timekeeperEnvironment,
  workerEnvironment,
} from '@app/platform';
import { readComposeFile, secretsOf } from '../support/compose-file';

const ENVIRONMENTS: Readonly<Record<string, ZodObject>> = {
  api: apiEnvironment,
  worker: workerEnvironment,
  timekeeper: timekeeperEnvironment,
  migrate: migrateEnvironment,
};
const compose = readComposeFile();
const services = Object.entries(compose.services);

const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(
  JSON.parse(readFileSync('test/support/compose-spec/compose-spec.json', 'utf8')) as object,
);

describe('docker-compose.yml', () => {
  it('is what the Compose Specification describes', () => {
    validate(compose);
    expect(validate.errors).toBeNull();
  });

  it('would be refused with a key that the Compose Specification does not know', () => {
    expect(validate({ services: { api: { ...compose.services['api'], readonly: true } } })).toBe(false);
  });

  it('starts every process of the image', () => {
    const started = services.map(([, { command, entrypoint }]) => command?.[0] ?? entrypoint?.[1]);
    const { projects } = JSON.parse(readFileSync('nest-cli.json', 'utf8')) as { projects: object };
    expect(started).toEqual(expect.arrayContaining(Object.keys(projects)));
  });

  it.each(Object.entries(ENVIRONMENTS))(
    'gives the %s variables that it knows, and all that it needs',
    (name, schema) => {
      const given = Object.keys(compose.services[name]?.environment ?? {});
      const known = Object.keys(schema.shape);
      const names = given.map((variable) => (known.includes(variable) ? variable : variable.replace(/_FILE$/, '')));
      expect(known).toEqual(expect.arrayContaining(names));
      const required = known.filter((variable) => !schema.shape[variable]?.safeParse(undefined).success);
      expect(names).toEqual(expect.arrayContaining(required));
    },
  );

  it.each(services)('mounts in %s every file that a variable names, and no other', (_, service) => {
    const named = Object.values(service.environment ?? {}).flatMap(
      (value) => /\/run\/secrets\/([a-z_]+)/.exec(value)?.[1] ?? [],
    );
    const flags = (service.command ?? []).flatMap((word) => /^\/run\/secrets\/([a-z_]+)$/.exec(word)?.[1] ?? []);
    expect([...secretsOf(service).keys()].toSorted()).toEqual([...named, ...flags].toSorted());
  });

  it('keeps each secret to those that need it', () => {
    const holders = (secret: string): string[] =>
      services.flatMap(([name, service]) => ([...secretsOf(service).values()].includes(secret) ? [name] : []));
    expect(holders('proof_key')).toEqual(['worker']);
    expect(holders('sealing_key').toSorted()).toEqual(['api', 'worker']);
    expect(holders('owner_database_url')).toEqual(['migrate']);
    for (const name of ['api', 'worker', 'timekeeper']) expect(holders(`${name}_database_url`)).toEqual([name]);
  });

  it('lets only those out that reach targets: the api, the worker, and the command line', () => {
    const out = services.flatMap(([name, { networks }]) =>
      networks.some((network) => !compose.networks[network]?.internal) ? [name] : [],
    );
    expect(out.toSorted()).toEqual(['api', 'cli', 'worker']);
  });

  it.each(services)('runs %s with the least that it needs', (_, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(service.user).not.toMatch(/^(0|root)?(:|$)/);
    expect(Object.keys(service.deploy.resources.limits).toSorted()).toEqual(['cpus', 'memory', 'pids']);
    // What ends by itself is not started again, and nobody asks how it is.
    expect(service.healthcheck?.disable ?? false).toBe(service.restart === 'no');
  });

  it('starts the processes after the migration went through', () => {
    for (const name of ['api', 'worker', 'timekeeper'])
      expect(compose.services[name]?.depends_on?.['migrate']?.condition).toBe('service_completed_successfully');
  });
});

describe('deploy/secrets.sh', () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-secrets-'));
  const run = () => spawnSync('sh', ['deploy/secrets.sh'], { cwd: folder, encoding: 'utf8' });
  const read = (name: string): string => readFileSync(join(folder, 'secrets', name), 'utf8').trim();
  beforeAll(() => {
    mkdirSync(join(folder, 'deploy'));
    copyFileSync('deploy/secrets.sh', join(folder, 'deploy', 'secrets.sh'));
    run();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('makes every file that docker-compose.yml mounts', () => {
    const mounted = Object.values(compose.secrets).map(({ file }) => basename(file));
    const made = readdirSync(join(folder, 'secrets')).filter((name) => !name.startsWith('.'));
    expect(made.toSorted()).toEqual(mounted.filter((name) => !name.startsWith('$') && name !== 'null}').toSorted());
  });

  it('makes two different keys that Curfew takes, in a folder for the owner alone', async () => {
    const sealers = ['sealing_key', 'proof_key'].map((name) => LocalKeySealer.fromFile(join(folder, 'secrets', name)));
    const sealed = await sealers[0]?.seal(new Secret('x'), 'a');
    expect(sealed).toBeDefined();
    await expect(sealers[1]?.open(sealed ?? Buffer.alloc(0), 'a')).rejects.toMatchObject({ code: 'sealing.broken' });
    expect(statSync(join(folder, 'secrets')).mode & 0o777).toBe(0o700);
  });

  it('writes URLs with the passwords that the migration sets', () => {
    for (const name of ['api', 'worker', 'timekeeper']) {
      const { username, password, hostname, pathname } = new URL(read(`${name}_database_url`));
      expect({ username, password }).toEqual({
        username: `curfew_${name}`,
        password: read(`${name}_database_password`),
      });
      expect({ hostname, pathname }).toEqual({ hostname: 'postgres', pathname: '/curfew' });
    }
    expect(new URL(read('owner_database_url')).password).toBe(read('owner_password'));
    expect(read('redis_users')).toContain(`>${new URL(read('redis_url')).password} `);
  });

  it('changes nothing when it is run again', () => {
    const key = read('sealing_key');
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('nothing was changed') as string });
    expect(read('sealing_key')).toBe(key);
  });

  it('says whose the keys are, where that is not the user of the image', () => {
    const env = execFileSync('sh', ['-c', 'cat .env 2>/dev/null || true'], { cwd: folder, encoding: 'utf8' });
    const { uid } = statSync(join(folder, 'secrets', 'sealing_key'));
    expect(/^CURFEW_UID=(\d+)$/m.exec(env)?.[1] ?? '10001').toBe(String(uid));
  });
});
