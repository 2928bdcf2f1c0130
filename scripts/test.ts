import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buildMissing } from './build.ts';
import { thisClone } from './clone.ts';
import { runScript } from './script.ts';
import { stopRequests } from './stop-requests.ts';

// `npm test`: builds what is missing, for the tests drive the built processes too, and runs them.
await runScript('passes its arguments on', async (terminal) => {
  const clone = thisClone(process.env);
  const stop = stopRequests();
  await buildMissing(clone, terminal, stop.signal);
  const vitest = join(clone.root, 'node_modules', 'vitest', 'vitest.mjs');
  const command = [vitest, 'run', ...process.argv.slice(2)];
  const child = spawn(process.execPath, command, { cwd: clone.root, stdio: 'inherit' });
  void stop.requested.then(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
});
