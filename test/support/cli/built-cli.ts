import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { rspack } from '@rspack/core';

const ROOT = resolve(import.meta.dirname, '../../..');

/** The command line as a program, built from these sources into a folder of its own. */
export interface BuiltCli {
  readonly main: string;
  remove(): void;
}

export async function buildCli(): Promise<BuiltCli> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-cli-'));
  const compiler = rspack({
    mode: 'production',
    context: ROOT,
    entry: join(ROOT, 'apps/cli/src/main.ts'),
    target: 'node24',
    devtool: false,
    output: { path: folder, filename: 'main.mjs', module: true, chunkFormat: 'module', library: { type: 'module' } },
    resolve: { extensions: ['.ts', '.js'], tsConfig: join(ROOT, 'tsconfig.json') },
    module: {
      rules: [{ test: /\.ts$/, loader: 'builtin:swc-loader', options: { jsc: { parser: { syntax: 'typescript' } } } }],
    },
  });
  const { promise, resolve: done, reject } = Promise.withResolvers<undefined>();
  compiler.run((error, stats) => {
    if (error || stats?.hasErrors()) reject(error ?? new Error(stats?.toString('errors-only')));
    else done(undefined);
  });
  await promise;
  return { main: join(folder, 'main.mjs'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when the program has written this. */
  wrote(text: string): Promise<void>;
}

/** Runs the program as a user does. */
export function start(
  cli: BuiltCli,
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  input?: string,
): Running {
  const child = spawn(process.execPath, [cli.main, ...words], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  const written = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
      for (const look of waiting) look();
    });
  const { promise: ended, resolve: end } = Promise.withResolvers<Ended>();
  child.once('close', (code) => end({ code: code ?? -1, ...written }));
  const wrote = (text: string): Promise<void> => {
    const { promise, resolve: found } = Promise.withResolvers<undefined>();
    const look = (): void => void ((written.stdout + written.stderr).includes(text) && found(undefined));
    waiting.add(look);
    look();
    const failed = async (): Promise<void> => {
      const { stdout, stderr } = await ended;
      if (!(stdout + stderr).includes(text)) throw new Error(`it ended without "${text}": ${stdout}${stderr}`);
    };
    return Promise.race([promise, failed()]);
  };
  return { child, ended, wrote };
}
