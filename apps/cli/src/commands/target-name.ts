import { UsageError } from '../failure';

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;

export function parseName(name: string): string {
  if (NAME.test(name)) return name;
  throw new UsageError(
    `not the name of a target: ${name.slice(0, 60)}`,
    'Lower-case letters, digits, and . _ - in between; 63 at most.',
  );
}
