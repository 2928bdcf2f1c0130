import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { paths, thisClone, type Clone } from './clone.ts';
import { Person } from './demo/person.ts';
import { tellStory } from './demo/story.ts';
import { Failure } from './failure.ts';
import { readJson } from './private-file.ts';
import { isRunning, readRun } from './run-file.ts';
import { runScript } from './script.ts';
import { stopRequests } from './stop-requests.ts';
import type { Terminal } from './terminal.ts';
import { waitFor } from './waiting.ts';

const START_MS = 120_000;
/** The exit code that shells have for it. */
const INTERRUPTED = 130;

interface DemoFile {
  readonly accounts: readonly { readonly subject: string; readonly password: string }[];
}

/** Tells the story of one grant on the service of this clone; starts it, and stops it again, when it does not run. */
async function main(terminal: Terminal): Promise<number> {
  const asked = stopRequests();
  const clone = thisClone(process.env);
  const own = isReady(clone) ? undefined : spawnStart(clone);
  // Nobody's own sign-ins are touched.
  const state = mkdtempSync(join(tmpdir(), 'curfew-demo-'));
  try {
    const told = tell({ clone, own, state, signal: asked.signal }, terminal);
    told.catch(() => undefined); // of no interest any more to somebody who has left
    return await Promise.race([told, asked.requested.then(() => INTERRUPTED)]);
  } finally {
    rmSync(state, { recursive: true, force: true });
    await stop(own);
  }
}

interface Stage {
  readonly clone: Clone;
  /** The starter that runs for this alone, if one had to. */
  readonly own: Started | undefined;
  /** The folder of the sign-ins. */
  readonly state: string;
  readonly signal: AbortSignal;
}

async function tell({ clone, own, state, signal }: Stage, terminal: Terminal): Promise<number> {
  if (own) await untilReady(clone, own, terminal);
  const environment = { ...process.env, CURFEW_HOME: clone.home, XDG_STATE_HOME: state, NO_COLOR: '1' };
  const people = ['ada', 'ben', 'cleo'].map((name) => new Person(clone, name, environment, signal));
  await terminal.step(
    'Signing ada, ben and cleo in',
    () => Promise.all(people.map((person) => person.signIn(passwordOf(clone, person.profile)))),
    (_, seconds) => `ada, ben and cleo signed in through OpenID Connect in ${seconds} s`,
  );
  const [ada, ben, cleo] = people;
  if (!ada || !ben || !cleo) throw new Failure('the cast is not complete');
  const broken = await tellStory({ ada, ben, cleo }, terminal);
  if (broken > 0) throw new Failure(`${broken} promises were broken`);
  terminal.done('Every promise was kept');
  return 0;
}

const isReady = (clone: Clone): boolean => isRunning(clone) && readRun(clone)?.processes.api?.state === 'ready';

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  said: string;
}

function spawnStart(clone: Clone): Started {
  const command = [join(clone.root, 'scripts', 'start.ts')];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'pipe'] });
  const started = { child, ended: new Promise((resolve) => child.once('exit', resolve)), said: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (started.said += text));
  return started;
}

async function untilReady(clone: Clone, started: Started, terminal: Terminal): Promise<void> {
  const ready = waitFor(() => (allReady(clone) ? ('ready' as const) : undefined), START_MS, 50);
  await terminal.step(
    'Starting Curfew',
    async () => {
      if ((await Promise.race([started.ended, ready])) !== 'ready')
        throw new Failure('Curfew did not start', started.said.trim().split('\n'));
    },
    (_, seconds) => `Curfew started in ${seconds} s`,
  );
}

function allReady(clone: Clone): boolean {
  const processes = Object.values(readRun(clone)?.processes ?? {});
  return processes.length === 3 && processes.every(({ state }) => state === 'ready');
}

async function stop(started: Started | undefined): Promise<void> {
  started?.child.kill('SIGINT');
  await started?.ended;
}

function passwordOf(clone: Clone, subject: string): string {
  const file = readJson(paths.demo(clone)) as DemoFile | undefined;
  const account = file?.accounts.find((each) => each.subject === subject);
  if (!account)
    throw new Failure('there are no demo accounts here', ['The demo needs them: start with CURFEW_DEMO=1.']);
  return account.password;
}

const USAGE = `npm run demo              tells the story of one grant, on the Curfew that runs here or else on one of its own

Variables: as for npm start`;

await runScript({ usage: USAGE }, main);
