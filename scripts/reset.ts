import { existsSync, rmSync } from 'node:fs';
import { paths, thisClone, type Clone } from './clone.ts';
import { stopServer } from './embedded-postgres.ts';
import { Failure } from './failure.ts';
import { tryLock } from './lock.ts';
import { readJson } from './private-file.ts';
import { readRun, waitForLeftovers } from './run-file.ts';
import { runScript } from './script.ts';
import type { DatabaseSecrets } from './secrets.ts';
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
  const lock = tryLock(paths.lock(clone));
  if (!lock)
    throw new Failure(`Curfew runs here (process ${readRun(clone)?.pid ?? 'unknown'})`, [
      'Stop it first: Ctrl-C where it was started. Nothing was deleted.',
    ]);
  try {
    const secrets = readJson(paths.database(clone)) as DatabaseSecrets | undefined;
    const server = secrets?.serverFolder ?? paths.postgres(clone);
    terminal.say(`Deleting this clone's data in ${clone.home}${server.startsWith(clone.home) ? '' : ` and ${server}`}`);
    await waitForLeftovers(clone);
    await stopServer(server);
    const keysStay = deleteAll(clone, server);
    terminal.done('Deleted. The next npm start begins anew, with new passwords.');
    if (!keysStay) return;
    terminal.warn(`The keys stay in ${clone.home}/keys: a database of DATABASE_URL is sealed with them.`);
    terminal.say('  When that database is gone, delete them by hand.');
  } finally {
    lock.release();
  }
}

/** @returns whether the keys stay: there are no data of a server of our own, so what they sealed lies elsewhere */
function deleteAll(clone: Clone, server: string): boolean {
  const keysStay = !existsSync(server) && existsSync(`${clone.home}/keys`);
  rmSync(server, { recursive: true, force: true });
  for (const name of keysStay ? OURS.filter((each) => each !== 'keys') : OURS)
    rmSync(`${clone.home}/${name}`, { recursive: true, force: true });
  return keysStay;
}

await runScript(async (terminal) => {
  await reset(thisClone(process.env), terminal);
  return 0;
});
