import type { Database } from './database.ts';
import { isAlive } from './processes.ts';

const LOOK_MS = 500;

/**
 * Starts the server again when it ends without being asked to. It is no child of ours when we took it over, so that
 * nobody tells us: we look.
 *
 * @returns ends the watch, and resolves when nothing of it is under way any more
 */
export function watchServer(
  first: Database,
  again: () => Promise<Database>,
  tell: (event: { database?: Database; note: string }) => void,
): () => Promise<void> {
  let current = first;
  let underWay: Promise<void> | undefined;
  const restart = async (): Promise<void> => {
    tell({ note: 'PostgreSQL ended: starting it again' });
    try {
      current = await again();
      tell({ database: current, note: `PostgreSQL is ready again on ${current.host}:${current.port}` });
    } catch (error) {
      tell({ note: `PostgreSQL does not start: ${(error as Error).message}` });
    }
  };
  const look = setInterval(() => {
    if (underWay || !current.server || isAlive(current.server.pid)) return;
    underWay = restart().finally(() => (underWay = undefined));
  }, LOOK_MS);
  return async () => {
    clearInterval(look);
    await underWay;
  };
}
