import { existsSync, rmSync } from 'node:fs';
import { APPS, paths, type AppName, type Clone } from './clone.ts';
import { tryLock } from './lock.ts';
import { readJson, writeJson } from './private-file.ts';
import { commandOf, isAlive, signal } from './processes.ts';
import type { State } from './supervised.ts';
import { waitFor } from './waiting.ts';

/** `run.json`: what runs of this clone, and where. The command line reads the address from it. */
export interface RunFile {
  readonly pid: number;
  readonly startedAt: string;
  /** The address of the API. */
  readonly url: string | undefined;
  readonly database: { readonly host: string; readonly port: number; readonly pid?: number } | undefined;
  readonly processes: Readonly<Partial<Record<AppName, ProcessState>>>;
}

export interface ProcessState {
  readonly state: State;
  readonly pid?: number;
  readonly address?: string;
  readonly restarts: number;
}

const LEFT_MS = 8_000;
const FORCED_MS = 2_000;

export function readRun(clone: Clone): RunFile | undefined {
  return readJson(paths.run(clone)) as RunFile | undefined;
}

export function writeRun(clone: Clone, file: RunFile): void {
  writeJson(paths.run(clone), file);
}

export function removeRun(clone: Clone): void {
  rmSync(paths.run(clone), { force: true });
}

/** Whether a starter of this clone lives: it holds the lock as long as it does. */
export function isRunning(clone: Clone): boolean {
  if (!existsSync(paths.lock(clone))) return false;
  const lock = tryLock(paths.lock(clone));
  lock?.release();
  return lock === undefined;
}

/** The processes of a starter that was killed end by themselves. Waits for that, and helps those that do not. */
export async function waitForLeftovers(clone: Clone): Promise<void> {
  const processes = readRun(clone)?.processes ?? {};
  const left = (): [number, AppName][] =>
    APPS.flatMap((name): [number, AppName][] => {
      const pid = processes[name]?.pid;
      return pid && isAlive(pid) && commandOf(pid).includes(paths.app(clone, name)) ? [[pid, name]] : [];
    });
  const noneLeft = (): true | undefined => (left().length === 0 ? true : undefined);
  if (await waitFor(noneLeft, LEFT_MS)) return;
  for (const [pid] of left()) signal(pid, 'SIGKILL');
  await waitFor(noneLeft, FORCED_MS);
}
