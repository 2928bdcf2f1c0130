import type { Context } from './context';

/** What a command does. @returns its exit code; none is 0 */
export type Handler<Arguments extends readonly unknown[], Options> = (
  context: Context,
  options: Options,
  ...operands: Arguments
) => Promise<number | void>;

/** Makes a command's action out of what it does. */
export type Act = <Arguments extends readonly unknown[], Options = object>(
  handler: Handler<Arguments, Options>,
) => (...given: unknown[]) => Promise<void>;
