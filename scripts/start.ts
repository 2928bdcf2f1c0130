import { makeHome, thisClone, type Clone } from './clone.ts';
import { Failure } from './failure.ts';
import { calledFrom } from './home.mjs';
import { findHolder, takeClone } from './run-file.ts';
import { readSettings } from './settings.ts';
import { Starter } from './starter.ts';
import { runScript } from './script.ts';
import { showStatus } from './status.ts';
import { stopRequests } from './stop-requests.ts';
import type { Terminal } from './terminal.ts';

const USAGE = `npm start                 builds what is missing, and starts Curfew
npm start -- --status     says what runs of this clone, and where (exit code 0: ready, 1: not, 3: nothing runs)
npm run reset             deletes this clone's data

Variables: DATABASE_URL, REDIS_URL, OIDC_ISSUER, CURFEW_DEMO, CURFEW_ENV, CURFEW_HOME, PORT; docs/configuration.md has
all that are handed on to the processes, each from a file too (NAME_FILE), and those that a start makes itself`;

async function main(terminal: Terminal, flags: ReadonlySet<string>): Promise<number> {
  const clone = thisClone(process.env);
  return flags.has('status') ? showStatus(clone, terminal) : start(clone, terminal);
}

async function start(clone: Clone, terminal: Terminal): Promise<number> {
  const settings = readSettings(process.env);
  makeHome(clone);
  const lock = await takeClone(clone);
  if (!lock) return sayWhere(clone, terminal);
  const from = calledFrom(process.env);
  if (settings.unused.length > 0)
    terminal.warn(`not used, since npm start makes these itself: ${settings.unused.join(', ')}`);
  const stop = stopRequests();
  try {
    await new Starter({ clone, settings, stop, terminal, from }).run();
  } catch (error) {
    // What was interrupted on request is no failure.
    if (!stop.signal.aborted) throw error;
  } finally {
    lock.release();
  }
  return 0;
}

async function sayWhere(clone: Clone, terminal: Terminal): Promise<number> {
  const run = await findHolder(clone);
  if (!run)
    throw new Failure(`another process is at work in ${clone.home}, and it is no start of Curfew`, [
      'Is it npm run reset? When that has ended, start again.',
    ]);
  const isReady = run.processes.api?.state === 'ready';
  const where = isReady ? `runs here already, at ${run.url}` : 'is being started here already';
  terminal.say(`Curfew ${where} (process ${run.pid}, since ${run.startedAt}).`);
  terminal.say('More: npm start -- --status');
  return 0;
}

await runScript({ usage: USAGE, flags: ['status'] }, main);
