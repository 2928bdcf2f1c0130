import { NAME, NAME_WORDS } from '@app/kernel';
import { UsageError } from '../failure';

export function parseName(name: string): string {
  if (NAME.test(name)) return name;
  throw new UsageError(`not the name of a target: ${name.slice(0, 60)}`, `Write ${NAME_WORDS}.`);
}
