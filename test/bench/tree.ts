import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { RunningService } from '../support/service';

const MB = 1_024;

/** Megabytes that these processes take together, memory that several share counted once (`Pss`). */
export function pss(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + pssOf(pid), 0);
}

/** All that runs of an installation: the starter, the processes, the server of the database and its processes. */
export function treeOf({ run }: RunningService): number[] {
  const children = new Map<number, number[]>();
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const under = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(under)];
  const roots = [run.pid, run.database?.pid].filter((pid) => pid !== undefined);
  return [...new Set(roots.flatMap(under))];
}

/** Megabytes of the files below a folder; those that vanish meanwhile are nothing. */
export function diskOf(folder: string): number {
  const { stdout } = spawnSync('du', ['-sk', folder], { encoding: 'utf8' });
  return Number(stdout.split('\t')[0]) / MB;
}

function pssOf(pid: number): number {
  try {
    const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
    return Number(kilobytes ?? 0) / MB;
  } catch {
    return 0; // it has ended meanwhile
  }
}
