import { buildMissing } from './build.ts';
import { thisClone } from './clone.ts';
import { runScript } from './script.ts';
import { stopRequests } from './stop-requests.ts';

await runScript({ usage: 'npm run build             builds what is missing' }, async (terminal) => {
  const built = await buildMissing(thisClone(process.env), terminal, stopRequests().signal);
  if (!built) terminal.done('What is built is built from these sources');
  return 0;
});
