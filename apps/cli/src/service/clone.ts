import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceUnavailable } from '../failure';
import { isHeld } from '../state/lock';

/** The service that `npm start` runs in a clone: the clone says which it is, and its port may be another tomorrow. */
export interface CloneService {
  readonly url: string;
  /** The clone and its installation: a copy lies elsewhere, and after a reset it is another one. */
  readonly service: string;
  /**
   * Where it is by now. A port that it had may be somebody else's, so it is asked for before anything is sent there.
   *
   * @throws ServiceUnavailable while it is not ready, or another installation runs there
   */
  readonly locate: () => string;
}

interface Run {
  readonly url: string;
  readonly installation: string;
  readonly isReady: boolean;
}

/** @returns `undefined` when none runs there */
export function findClone(home: string): CloneService | undefined {
  const found = running(home);
  if (!found) return undefined;
  const locate = (): string => {
    const now = running(home);
    if (now?.isReady === true && now.installation === found.installation) return now.url;
    throw new ServiceUnavailable('Curfew is not ready in this folder', 'Try again in a moment. Does `npm start` run?');
  };
  return { url: found.url, service: `clone ${found.installation} ${realpathSync(home)}`, locate };
}

/** What `npm start` wrote down, while it lives: it holds the lock as long as it does. */
function running(home: string): Run | undefined {
  const lock = join(home, 'lock');
  try {
    const run = JSON.parse(readFileSync(join(home, 'run.json'), 'utf8')) as Partial<Record<string, unknown>>;
    const { url, installation, processes } = run;
    if (typeof url !== 'string' || !existsSync(lock) || !isHeld(lock)) return undefined;
    const { api } = processes as { api?: { state?: unknown } };
    const isReady = api?.state === 'ready';
    return { url, isReady, installation: typeof installation === 'string' ? installation : '' };
  } catch {
    return undefined;
  }
}
