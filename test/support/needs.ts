import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const onPath = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));

const CAP_SYS_ADMIN = 21n;

/** By what the system says of this process: root in a container often may not. */
function mayMount(): boolean {
  if (!existsSync('/proc/self/status')) return false;
  const mask = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return process.getuid?.() === 0 && ((BigInt(`0x${mask}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

/** Debian's folder, whatever the machine's kind. */
const LIBRARIES = '/usr/lib';
const fakeTime = (): string | undefined =>
  (existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [])
    .map((folder) => join(LIBRARIES, folder, 'faketime/libfaketime.so.1'))
    .find((file) => existsSync(file));

/** The library that has a process believe in another time. */
export const FAKE_TIME = fakeTime();

/** What a test may need that not every machine has. `CURFEW_TESTS=all`, as `.ci/run` says it, leaves none of these tests out. */
const REASONS = {
  root: { met: process.getuid?.() === 0, because: 'only root can become another user' },
  chromium: { met: existsSync('/usr/bin/chromium'), because: 'there is no /usr/bin/chromium' },
  zsh: { met: onPath('zsh'), because: 'there is no zsh' },
  fish: { met: onPath('fish'), because: 'there is no fish' },
  mount: { met: mayMount(), because: 'only who may mount has a small disk to fill' },
  faketime: { met: FAKE_TIME !== undefined, because: 'there is no libfaketime' },
  linux: { met: existsSync('/proc/self'), because: 'looks into /proc' },
} as const;

/** Ends the name of a test that cannot run everywhere: `it.runIf(has('root'))(`…${needs('root')}`)`. */
export function needs(what: keyof typeof REASONS): string {
  return has(what) ? '' : ` (left out: ${REASONS[what].because})`;
}

export function has(what: keyof typeof REASONS): boolean {
  return REASONS[what].met || process.env['CURFEW_TESTS'] === 'all';
}
