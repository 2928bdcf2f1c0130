import { Failure } from '../failure';

/** There is no room for what has to be kept, or it may not be written. */
export class CannotKeep extends Failure {
  constructor(folder: string, reason: string, cause: unknown) {
    super({
      kind: 'internal',
      code: 'cli.cannot_keep',
      message: `nothing can be kept in ${folder} (${reason})`,
      advice: 'Nothing was done. See that there is room, and that it may be written; then try again.',
      cause,
    });
  }
}

/** Does what comes before the service is asked. @throws CannotKeep in place of what the system says */
export function orCannotKeep<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = systemReason(error);
    throw reason === undefined ? error : new CannotKeep(folder, reason, error);
  }
}

/** The system's word for why something did not work, `ENOSPC`; `undefined` for what is not the system's. */
export function systemReason(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, errstr } = error as NodeJS.ErrnoException & { errstr?: unknown };
  if (code === 'ERR_SQLITE_ERROR' && typeof errstr === 'string') return errstr;
  return typeof syscall === 'string' ? code : undefined;
}
