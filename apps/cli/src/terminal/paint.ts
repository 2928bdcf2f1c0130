import { styleText } from 'node:util';

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Colours a text, or leaves it alone where colours are not wanted. */
export type Paint = (colour: Colour, text: string) => string;

export const painter =
  (wanted: boolean): Paint =>
  (colour, text) =>
    wanted && text !== '' ? styleText(colour, text, { validateStream: false }) : text;
