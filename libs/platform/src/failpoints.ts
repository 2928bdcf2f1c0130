import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTrap } from '@app/kernel';

/** What a file in the folder says, and what then happens in the midst of the line. */
const ACTIONS: Readonly<Record<string, (milliseconds: number) => void>> = {
  kill: () => void process.kill(process.pid, 'SIGKILL'),
  stop: () => void process.kill(process.pid, 'SIGSTOP'),
  block: (milliseconds) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
};

/**
 * The test's switch for failpoints: a file in the folder, named like one, says what happens to the first process that
 * comes there: `kill` (SIGKILL), `stop` (SIGSTOP) or `block <milliseconds>`. It becomes `<name>.hit`, and happens once.
 *
 * @param folder without it, failpoints stay inert
 */
export function armFailpoints(folder: string | undefined): void {
  if (folder === undefined) return;
  setTrap((name) => {
    const hit = join(folder, `${name}.hit`);
    try {
      // Of several processes that come here at once, one takes it.
      renameSync(join(folder, name), hit);
    } catch {
      return;
    }
    const [action = '', milliseconds] = readFileSync(hit, 'utf8').trim().split(' ');
    ACTIONS[action]?.(Number(milliseconds));
  });
}
