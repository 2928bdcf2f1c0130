import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child.ts';
import type { Clone } from './clone.ts';
import { Failure } from './failure.ts';
import { tryLock, type Lock } from './lock.ts';
import type { Terminal } from './terminal.ts';
import { waitFor } from './waiting.ts';

const SOURCES = ['apps', 'libs', 'package.json', 'package-lock.json', 'nest-cli.json', 'tsconfig.json'];
const BUILD_MS = 600_000;
const LOCK_POLL_MS = 200;

const stamp = ({ root }: Clone): string => join(root, 'dist', 'built-from');

/** A number that is another one when anything that goes into the build is: sources, lockfile, configuration. */
export function sourceHash(clone: Clone): string {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap((source) => filesOf(clone.root, source)).toSorted()) {
    const content = readFileSync(join(clone.root, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** Whether what is there was built from these sources, and is all still there. */
export function isBuilt(clone: Clone, hash = sourceHash(clone)): boolean {
  try {
    const [from, ...files] = readFileSync(stamp(clone), 'utf8').split('\n');
    return from === hash && files.length > 0 && files.every((file) => existsSync(join(clone.root, file)));
  } catch {
    return false;
  }
}

/** Notes what was built, and from which sources. */
export function markBuilt(clone: Clone, hash: string): void {
  writeFileSync(stamp(clone), [hash, ...filesOf(clone.root, join('dist', 'apps'))].join('\n'));
}

/** Builds every app unless what is there was built from these sources. @returns whether it had to */
export async function buildMissing(clone: Clone, terminal: Terminal, signal: AbortSignal): Promise<boolean> {
  if (isBuilt(clone)) return false;
  await terminal.step(
    'Building',
    () => build(clone, signal),
    (_, seconds) => `Built in ${seconds} s`,
  );
  return true;
}

/** Two at once in one clone: the second one waits, and finds it done. */
async function build(clone: Clone, signal: AbortSignal): Promise<void> {
  mkdirSync(join(clone.root, 'dist'), { recursive: true });
  const ask = (): Lock | undefined => (signal.throwIfAborted(), tryLock(join(clone.root, 'dist', 'lock')));
  const lock = await waitFor(ask, BUILD_MS, LOCK_POLL_MS);
  if (!lock) throw new Failure('another process has been building in this folder for ten minutes');
  try {
    const hash = sourceHash(clone);
    if (!isBuilt(clone, hash)) await buildAll(clone, hash, signal);
  } finally {
    lock.release();
  }
}

async function buildAll(clone: Clone, hash: string, signal: AbortSignal): Promise<void> {
  rmSync(stamp(clone), { force: true });
  const nest = join(clone.root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  const command = [process.execPath, nest, 'build', '--all', '--parallel', '2'] as const;
  const { status, output } = await run([...command], {
    cwd: clone.root,
    env: { ...process.env, FORCE_COLOR: '0' },
    signal,
  });
  if (status !== 0) throw new Failure('The build failed', output.trim().split('\n').slice(-40));
  markBuilt(clone, hash);
}

function filesOf(root: string, source: string): string[] {
  try {
    return readdirSync(join(root, source), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.spec.ts'))
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return [source];
    throw error;
  }
}
