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
