import type { Command } from 'commander';
import { UsageError } from '../failure';

export interface ListOptions {
  readonly limit: string;
}

export const listOptions = (command: Command): Command => command.option('--limit <n>', 'at most so many', '50');

/** @throws UsageError */
export function parseLimit({ limit }: ListOptions, max = 2_000): number {
  const number = /^[0-9]{1,6}$/.test(limit) ? Number(limit) : 0;
  if (number < 1 || number > max)
    throw new UsageError(`not a limit: ${limit.slice(0, 20)}`, `A whole number from 1 to ${max}.`);
  return number;
}
