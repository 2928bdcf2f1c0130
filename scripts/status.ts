import { APPS, paths, type AppName, type Clone } from './clone.ts';
import { isRunning, readRun, type ProcessState, type RunFile } from './run-file.ts';
import type { Terminal } from './terminal.ts';

const ANSWER_MS = 2_000;

interface Health {
  readonly state: string;
  readonly checks?: Readonly<Record<string, { readonly ok: boolean; readonly warning?: boolean }>> | undefined;
}

/** Says what runs of this clone and whether it is well. @returns the exit code: 0 when all is ready, 1 when it is not, 3 when nothing runs */
export async function showStatus(clone: Clone, terminal: Terminal): Promise<number> {
  const run = readRun(clone);
  if (!isRunning(clone) || !run) {
    terminal.say('Curfew does not run here. To start it: npm start');
    return 3;
  }
  terminal.say(`Curfew runs in ${clone.root} (process ${run.pid}, since ${run.startedAt})`);
  terminal.say(`  ${'address'.padEnd(12)}${run.url ?? 'none yet'}`);
  const healths = await Promise.all(APPS.map((name) => health(run.processes[name])));
  APPS.forEach((name, index) =>
    terminal.say(`  ${name.padEnd(12)}${describe(run, name, healths[index]?.state ?? 'unknown')}`),
  );
  const { database } = run;
  const server = database?.pid === undefined ? 'not ours' : `process ${database.pid}`;
  terminal.say(`  ${'database'.padEnd(12)}${database ? `${database.host}:${database.port} (${server})` : 'none yet'}`);
  if (run.queue !== undefined) terminal.say(`  ${'queue'.padEnd(12)}${run.queue}${queueWords(healths)}`);
  terminal.say(`  ${'logs'.padEnd(12)}${paths.log(clone, '*')}`);
  return healths.every(({ state }) => state === 'ready') ? 0 : 1;
}

function describe(run: RunFile, name: AppName, state: string): string {
  const process = run.processes[name];
  if (!process) return state;
  const facts = [
    process.pid && `process ${process.pid}`,
    process.address,
    process.restarts && (process.restarts === 1 ? 'restarted once' : `restarted ${process.restarts} times`),
  ];
  return `${state.padEnd(10)} ${facts.filter(Boolean).join(', ')}`;
}

/** What a process says of itself, or else what its supervisor knows. */
async function health(process: ProcessState | undefined): Promise<Health> {
  if (process?.state !== 'ready' || !process.address) return { state: process?.state ?? 'not started' };
  try {
    const reply = await fetch(new URL('/readyz', process.address), { signal: AbortSignal.timeout(ANSWER_MS) });
    const body = (await reply.json().catch(() => ({}))) as { checks?: Health['checks'] };
    return { state: reply.ok ? 'ready' : 'not ready', checks: body.checks };
  } catch {
    return { state: 'no answer' };
  }
}

/** Nothing is wrong with a process because its queue is away: that is a warning of the api, which asks it. */
function queueWords(healths: readonly Health[]): string {
  const queue = healths[APPS.indexOf('api')]?.checks?.['queue'];
  if (queue?.ok !== true) return '';
  return queue.warning === true
    ? ': does not answer (REDIS_URL). Curfew runs without it; is it the right address?'
    : ' (answers)';
}
