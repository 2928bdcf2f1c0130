import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const GRACE_MS = 5_000;
/** How long what was killed may take to go: it may sit in a call that cannot be broken off. */
const KILLED_MS = 1_000;
const LOOK_MS = 100;

interface Running {
  readonly pid: number;
  readonly parent: number;
  /** Tells it from another one that gets the same number later. */
  readonly started: string;
}

/** Tells a process and everything below it to stop, and makes them 5 s later. What runs as somebody else cannot be told. */
export async function endTree(root: number): Promise<void> {
  const tree = new ProcessTree(root);
  tree.tell('SIGTERM');
  if (await isGone(tree, GRACE_MS)) return;
  tree.tell('SIGKILL');
  await isGone(tree, KILLED_MS);
}

/** Who was seen once belongs to it for good: when a parent ends, its children get another one. */
class ProcessTree {
  /** When each was started, by its number; parents come first. */
  readonly #known = new Map<number, string>();

  constructor(private readonly root: number) {}

  /** Those that run, parents first. */
  running(): number[] {
    const all = running();
    const started = new Map(all.map((each) => [each.pid, each.started]));
    if (this.#known.size === 0) this.#known.set(this.root, started.get(this.root) ?? '');
    const isOurs = (pid: number): boolean => this.#known.has(pid) && this.#known.get(pid) === started.get(pid);
    let found: Running[];
    do {
      found = all.filter(({ pid, parent }) => isOurs(parent) && !isOurs(pid));
      for (const each of found) this.#known.set(each.pid, each.started);
    } while (found.length > 0);
    return [...this.#known.keys()].filter(isOurs);
  }

  /** All at once, the parents first: nobody starts another one meanwhile, or goes on because a child has ended. */
  tell(signal: NodeJS.Signals): void {
    const stopped = new Set<number>();
    let fresh = this.running();
    while (fresh.length > 0) {
      for (const pid of fresh) {
        send(pid, 'SIGSTOP');
        stopped.add(pid);
      }
      fresh = this.running().filter((pid) => !stopped.has(pid));
    }
    for (const pid of stopped) send(pid, signal);
    for (const pid of stopped) send(pid, 'SIGCONT');
  }
}

async function isGone(tree: ProcessTree, withinMs: number): Promise<boolean> {
  const until = performance.now() + withinMs;
  while (tree.running().length > 0) {
    if (performance.now() >= until) return false;
    await pause(LOOK_MS);
  }
  return true;
}

/** One that is gone already is as it should be; one that is somebody else's cannot be reached. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** All processes but those that are over and wait to be collected. */
function running(): Running[] {
  return process.platform === 'linux' ? fromProc() : fromPs();
}

/** proc_pid_stat(5): after the name, which may be anything, the state, the parent, and as the 22nd field the start. */
function fromProc(): Running[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [state = '', parent = ''] = fields;
      return 'ZX'.includes(state) ? [] : [{ pid: Number(name), parent: Number(parent), started: fields[19] ?? '' }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

function fromPs(): Running[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart='], { encoding: 'utf8', stdio: 'pipe' });
  return lines.split('\n').flatMap((line) => {
    const [, pid, parent, state, started = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return state === undefined || state.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent), started }];
  });
}
