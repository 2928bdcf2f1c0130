import type { Readable, Writable } from 'node:stream';
import { painter, type Paint } from './paint';
import { safeJson } from './visible';

export type Input = Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
export type Output = Writable & { isTTY?: boolean; columns?: number; rows?: number };

export interface Streams {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** A terminal that nobody has given a size says that it has 0 columns. */
export const columnsOf = ({ columns }: Output): number => columns || 80;

export interface TerminalOptions {
  /** One JSON document instead of words for people. */
  readonly json: boolean;
  /** No colours, whatever the terminal can do. */
  readonly plain: boolean;
}

/** What is asked for goes to stdout, and nothing else does: progress, notes, questions and errors go to stderr. */
export class Terminal {
  readonly json: boolean;
  /** Colours for {@link print}. */
  readonly paint: Paint;
  /** Colours for {@link note}. */
  readonly notePaint: Paint;

  constructor(
    readonly streams: Streams,
    { json, plain }: TerminalOptions,
  ) {
    this.json = json;
    this.paint = painter(streams.stdout.isTTY === true && !plain);
    this.notePaint = painter(streams.stderr.isTTY === true && !plain);
  }

  /** Somebody sits there and can be asked. */
  get isInteractive(): boolean {
    return this.streams.stdin.isTTY === true && this.streams.stderr.isTTY === true;
  }

  /** The columns of stdout; `undefined` when it is no terminal. */
  get width(): number | undefined {
    return this.streams.stdout.isTTY === true ? columnsOf(this.streams.stdout) : undefined;
  }

  /** The rows of stdout. */
  get height(): number {
    return this.streams.stdout.rows || 24;
  }

  print(...lines: readonly string[]): void {
    this.streams.stdout.write(`${lines.join('\n')}\n`);
  }

  note(...lines: readonly string[]): void {
    this.streams.stderr.write(`${lines.join('\n')}\n`);
  }

  /** The one document of a command. */
  document(value: unknown): void {
    this.print(safeJson(value, 2));
  }

  /** One of many: a line each. */
  record(value: unknown): void {
    this.print(safeJson(value));
  }

  /** The document with `--json`, the lines otherwise. */
  show(value: unknown, lines: () => readonly string[]): void {
    if (this.json) this.document(value);
    else this.print(...lines());
  }
}
