import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { apiEnvironment } from '@app/platform';

const dockerfile = readFileSync('Dockerfile', 'utf8').replaceAll('\\\n', ' ');
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const { projects } = JSON.parse(readFileSync('nest-cli.json', 'utf8')) as { projects: Record<string, unknown> };
const instructions = (name: string): string[] =>
  [...dockerfile.matchAll(new RegExp(`^${name} +(.*)$`, 'gm'))].map((match) => match[1] ?? '');

describe('the image', () => {
  it('runs on the Node that everything is tested on, and bears the version of the package', () => {
    expect(instructions('ARG')).toContain(`NODE_VERSION=${manifest.devDependencies['node']}`);
    expect(instructions('ARG')).toContain(`VERSION=${manifest.version}`);
    expect(readFileSync('docker-compose.yml', 'utf8')).toContain(`curfew:${manifest.version}}`);
  });

  it('is made of files that are there, and that the build may see', () => {
    const visible = readFileSync('.dockerignore', 'utf8').split('\n');
    const copied = instructions('COPY')
      .filter((line) => !line.includes('--from='))
      .flatMap((line) =>
        line
          .split(' ')
          .filter((word) => !word.startsWith('--'))
          .slice(0, -1),
      );
    expect(copied.filter((path) => !existsSync(path) || !visible.includes(`!${path}`))).toEqual([]);
  });

  it('runs as nobody of the host, in production, on an address that a container is reached at', () => {
    expect(instructions('USER')).toEqual(['10001:10001']);
    const environment = Object.fromEntries(
      (instructions('ENV')[0] ?? '').split(/\s+/).map((pair) => pair.split('=') as [string, string]),
    );
    expect(environment).toMatchObject({ CURFEW_ENV: 'production', HOST: '0.0.0.0' });
    expect(Object.keys(apiEnvironment.shape)).toEqual(expect.arrayContaining(['CURFEW_ENV', 'HOST', 'PORT']));
    expect(instructions('EXPOSE')).toEqual([environment['PORT']]);
  });

  it('has every process, and says which when it is asked for another', () => {
    const built = /for app in ([a-z ]+);/.exec(dockerfile)?.[1]?.split(' ');
    expect(built?.toSorted()).toEqual(Object.keys(projects).toSorted());
    const { status, stderr } = spawnSync('sh', ['deploy/entrypoint.sh', 'console'], { encoding: 'utf8' });
    expect(status).toBe(2);
    for (const name of Object.keys(projects)) expect(stderr).toContain(name);
  });

  it('leaves no core file, which would hold keys: whatever the host allows', () => {
    const bin = mkdtempSync(join(tmpdir(), 'curfew-image-'));
    try {
      writeFileSync(join(bin, 'node'), '#!/bin/sh\nulimit -S -c\nulimit -H -c\n', { mode: 0o755 });
      const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
      const started = 'ulimit -S -c "$(ulimit -H -c)"; exec sh deploy/entrypoint.sh api';
      const { status, stdout } = spawnSync('sh', ['-c', started], { encoding: 'utf8', env });
      expect([status, stdout]).toEqual([0, '0\n0\n']);
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  it('has every package that the code of the processes imports', () => {
    const imports = globSync(['apps/**/*.ts', 'libs/**/*.ts'])
      .filter((file) => !file.endsWith('.spec.ts'))
      .flatMap((file) => [
        ...readFileSync(file, 'utf8').matchAll(/^(?:import|export)(?! type )[^;]*? from '([^.'][^']*)'/gm),
      ])
      .map((match) =>
        (match[1] ?? '')
          .split('/')
          .slice(0, match[1]?.startsWith('@') ? 2 : 1)
          .join('/'),
      );
    const foreign = [...new Set(imports)].filter(
      (name) => !name.startsWith('@app/') && !name.startsWith('node:') && !builtinModules.includes(name),
    );
    expect(foreign).toContain('typeorm');
    expect(foreign.filter((name) => !(name in manifest.dependencies))).toEqual([]);
  });
});
