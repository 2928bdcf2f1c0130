import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';

/** How many columns a text takes on a terminal, colours left out. */
export const widthOf = (text: string): number => stringWidth(text);

/** Cuts a text to a number of columns, with `…` where something is left out. */
export const cut = (text: string, columns: number): string => cliTruncate(text, Math.max(1, columns));
