import { existsSync, rmSync } from 'node:fs';
import { APPS, paths, type AppName, type Clone } from './clone.ts';
import { tryLock, type Lock } from './lock.ts';
import { readJson, writeJson } from './private-file.ts';
import { commandOf, isAlive, signal } from './processes.ts';
import type { State } from './supervised.ts';
import { waitFor } from './waiting.ts';

/** `run.json`: what runs of this clone, and where. The command line reads the address from it. */
export interface RunFile {
  readonly pid: number;
  readonly startedAt: string;
  /** Which installation it is: by this and the folder the command line knows it, wherever its port is. */
  readonly installation?: string;
  /** The address of the API. */
  readonly url: string | undefined;
  readonly database: { readonly host: string; readonly port: number; readonly pid?: number } | undefined;
  /** Where the queue is, when it is not in the database: `Redis on 127.0.0.1:6379`. */
  readonly queue?: string;
  readonly processes: Readonly<Partial<Record<AppName, ProcessState>>>;
}

export interface ProcessState {
  readonly state: State;
  readonly pid?: number;
  readonly address?: string;
  readonly restarts: number;
}

const MOMENT_MS = 250;
const ANNOUNCED_MS = 1_000;
const LEFT_MS = 8_000;
const FORCED_MS = 2_000;

export function readRun(clone: Clone): RunFile | undefined {
  return readJson(paths.run(clone)) as RunFile | undefined;
}

const STARTED_AT = new Date(performance.timeOrigin).toISOString();

/** Of this process, which is the starter of the clone. */
export function writeRun(clone: Clone, file: Omit<RunFile, 'pid' | 'startedAt'>): void {
  writeJson(paths.run(clone), { pid: process.pid, startedAt: STARTED_AT, ...file });
}

/** Whoever asks from now on hears of us. What a killed starter left stays named until it is gone. */
export function announceRun(clone: Clone): void {
  const left = Object.entries(readRun(clone)?.processes ?? {});
  const processes = left.map(([name, { pid }]) => [name, { state: 'stopped', restarts: 0, ...(pid && { pid }) }]);
  writeRun(clone, {
    url: undefined,
    database: undefined,
    processes: Object.fromEntries(processes) as RunFile['processes'],
  });
}

/** The clone is ours until this is released. A look at who has it takes it too, for a moment: that is nobody. */
export async function takeClone(clone: Clone): Promise<Lock | undefined> {
  return waitFor(() => tryLock(paths.lock(clone)), MOMENT_MS);
}

/** The starter that lives, as it says of itself; asked of one that has just begun, too. */
export async function findHolder(clone: Clone): Promise<RunFile | undefined> {
  return waitFor(() => {
    const run = readRun(clone);
    return run && isAlive(run.pid) ? run : undefined;
  }, ANNOUNCED_MS);
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
