import type { Colour, Paint } from './paint';
import { visible } from './visible';
import { cut, widthOf } from './width';

/** Text of one cell; it is made safe and cut here. */
export type Cell = string | { readonly text: string; readonly colour: Colour };

export interface Column {
  readonly title: string;
  /** Given up first where the terminal is narrow, down to this many columns. Absent: never cut. */
  readonly shrinkTo?: number;
}

const GAP = '  ';

/**
 * Rows below a line of titles. `width` is the terminal's: columns that may shrink do, until the lines fit; without a
 * width (a file, a pipe) nothing is cut.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { paint, width }: { paint: Paint; width: number | undefined },
): string[] {
  const texts = rows.map((row) => columns.map((_, i) => visible(textOf(row[i]))));
  const natural = columns.map(({ title }, i) => Math.max(widthOf(title), ...texts.map((row) => widthOf(row[i] ?? ''))));
  const widths = width === undefined ? natural : fit(columns, natural, width);
  const line = (cells: readonly { text: string; colour?: Colour | undefined }[]): string =>
    cells
      .map(({ text, colour }, i) => {
        const shown = cut(text, widths[i] ?? 0);
        const padding = i === cells.length - 1 ? '' : ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(shown)));
        return (colour ? paint(colour, shown) : shown) + padding;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(columns.map(({ title }) => ({ text: title, colour: 'dim' }))),
    ...texts.map((row, r) => line(row.map((text, i) => ({ text, colour: colourOf(rows[r]?.[i]) })))),
  ];
}

const textOf = (cell: Cell | undefined): string => (typeof cell === 'string' ? cell : (cell?.text ?? ''));
const colourOf = (cell: Cell | undefined): Colour | undefined => (typeof cell === 'object' ? cell.colour : undefined);

/** Takes from the widest that may still give. */
function fit(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    const givers = columns.map(({ shrinkTo }, i) => (shrinkTo === undefined ? 0 : (widths[i] ?? 0) - shrinkTo));
    const most = Math.max(...givers);
    if (most <= 0) break;
    const giver = givers.indexOf(most);
    widths[giver] = (widths[giver] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

/** `Name  value` lines, the names aligned. A value of several lines is indented below its first. */
export function pairs(entries: readonly (readonly [string, string | readonly string[]])[], paint: Paint): string[] {
  const column = Math.max(...entries.map(([name]) => widthOf(name)));
  return entries.flatMap(([name, value]) =>
    [value].flat().map((line, i) => {
      const label = (i === 0 ? name : '').padEnd(column);
      return `  ${paint('dim', label)}  ${line}`;
    }),
  );
}
