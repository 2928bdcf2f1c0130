/** Something the person at the terminal can put right: told in words, without a stack. */
export class Failure extends Error {
  /** What to do next, one line each. */
  readonly advice: readonly string[];

  constructor(message: string, advice: readonly string[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Failure';
    this.advice = advice;
  }
}

/** Any error in words for the person at the terminal: with a stack only when it is nobody's but ours. */
export function explain(error: unknown): { message: string; advice: readonly string[] } {
  if (error instanceof Failure) return error;
  const { code, message, path, stack } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return { message: 'The disk is full', advice: ['Make room and start again: nothing is lost.'] };
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return { message: `This user may not use ${path ?? 'a file that is needed'}`, advice: [message, OTHER_USER] };
  return { message: 'This should not have happened', advice: (stack ?? String(error)).split('\n') };
}

/** What to do where there is no room. */
export const DISK_FULL = 'The disk is full: make room and start again.';

const OTHER_USER = 'Was Curfew started here by another user before? Start as that one, or give the folder to this one.';
