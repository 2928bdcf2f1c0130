import type { Context } from '../context';
import type { PickedUpHere } from '../service/credentials';
import { visible } from '../terminal/visible';
import { short } from './words';

/** What is handed over once and could not be kept: there is no second time, but another one. */
export function sayUnlessKept(context: Context, grantId: string, { notKept }: PickedUpHere): void {
  const { terminal } = context;
  if (notKept === undefined) return;
  terminal.note(
    `${terminal.notePaint('yellow', '!')} What was picked up could not be kept here (${visible(notKept)}): it is not shown or used again.`,
    `  For a new one: ${context.suggest(`credential ${short(grantId)} --replace`)}`,
  );
}
