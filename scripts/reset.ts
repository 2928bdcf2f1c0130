import { existsSync, rmSync } from 'node:fs';
import { paths, thisClone, type Clone } from './clone.ts';
import { stopServer } from './embedded-postgres.ts';
import { Failure } from './failure.ts';
import { findHolder, takeClone, waitForLeftovers } from './run-file.ts';
import { runScript } from './script.ts';
import { knownSecrets, sealedElsewhere } from './secrets.ts';
import { foldersOf, ownsServerFolder } from './server-folder.ts';
import type { Terminal } from './terminal.ts';

/** Everything a start makes in `.curfew`, and nothing else: the folder may be one that somebody chose. */
const OURS = [
  'run.json',
  'ports.json',
  'demo.json',
  'logs',
  'keys',
  'database.json',
  'postgres',
  'lock',
  'lock-journal',
];

async function reset(clone: Clone, terminal: Terminal): Promise<void> {
  if (!existsSync(paths.lock(clone))) return terminal.say(`There are no data in ${clone.home}: nothing to delete.`);
  const lock = await takeClone(clone);
  if (!lock) throw await refusal(clone);
  try {
    const noted = knownSecrets(clone)?.serverFolder ?? paths.postgres(clone);
    const isOurs = ownsServerFolder(clone, noted);
    const server = isOurs ? noted : paths.postgres(clone);
    if (!isOurs && existsSync(noted)) terminal.warn(`The database in ${noted} is not this clone's: it stays.`);
    terminal.say(`Deleting this clone's data in ${foldersOf(clone, server).join(' and ')}`);
    await waitForLeftovers(clone);
    await stopServer(server);
    const sealed = sealedElsewhere(clone);
    deleteAll(clone, server, sealed.length > 0);
    terminal.done('Deleted. The next npm start begins anew, with new passwords.');
    if (sealed.length === 0) return;
    terminal.warn(`The keys stay in ${clone.home}/keys: with them is sealed what lies in ${sealed.join(', ')}.`);
    terminal.say('  When that is gone, delete them by hand.');
  } finally {
    lock.release();
  }
}

async function refusal(clone: Clone): Promise<Failure> {
  const holder = await findHolder(clone);
  if (!holder) return new Failure(`another reset is at work in ${clone.home}`, ['Nothing was deleted by this one.']);
  return new Failure(`Curfew runs here (process ${holder.pid}, since ${holder.startedAt})`, [
    'Stop it first: Ctrl-C where it was started. Nothing was deleted.',
  ]);
}

function deleteAll(clone: Clone, server: string, keysStay: boolean): void {
  rmSync(server, { recursive: true, force: true });
  for (const name of keysStay ? OURS.filter((each) => each !== 'keys') : OURS)
    rmSync(`${clone.home}/${name}`, { recursive: true, force: true });
}

const USAGE = `npm run reset             deletes this clone's data; nothing may run of it

Variables: CURFEW_HOME`;

await runScript({ usage: USAGE }, async (terminal) => {
  await reset(thisClone(process.env), terminal);
  return 0;
});
