import { AppError } from '@app/kernel';
import { EXIT, exitCodeOf } from './exit-codes';
import { Interrupted, ProblemReply } from './failure';
import type { Terminal } from './terminal/terminal';
import { clockTime } from './terminal/times';
import { safeJson, visible } from './terminal/visible';

export const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** Whom an error is told to. */
export interface Reader {
  readonly terminal: Terminal;
  readonly now: number;
  /** A text with the commands in it as they are typed here. */
  readonly asTyped: (text: string) => string;
}

/** Says what went wrong, and what to do about it. @returns the exit code */
export function report(reader: Reader, error: unknown): number {
  if (error instanceof Interrupted) return EXIT.interrupted;
  const known = error instanceof AppError ? error : internal(error);
  const { terminal } = reader;
  if (terminal.json) terminal.note(safeJson(problemOf(known, reader)));
  else terminal.note(...wordsOf(known, reader));
  return exitCodeOf(known.kind);
}

function wordsOf(error: AppError, { terminal: { notePaint: paint }, now, asTyped }: Reader): string[] {
  const facts = Object.entries(error.details).flatMap(([name, value]) => {
    const text = shownDetail(value, now);
    return text === undefined ? [] : [`  ${paint('dim', wordsFor(name))} ${text}`];
  });
  // Of this one call. Not by the name of its member: a request is what is asked for here, and has an id of its own.
  const id = error instanceof ProblemReply ? error.requestId : undefined;
  return [
    `${paint('red', '✗')} ${visible(error.message)}`,
    ...(error.advice === undefined ? [] : [`  ${visible(asTyped(error.advice))}`]),
    ...facts,
    ...placesOf(error).map((place) => `  ${place}`),
    ...(id === undefined ? [] : [paint('dim', `  id in the log ${visible(id)}`)]),
  ];
}

/** What is wrong in files, where: `orders.cedar:3: …`. */
function placesOf({ details }: AppError): string[] {
  const { problems } = details;
  if (!Array.isArray(problems)) return [];
  return (problems as unknown[]).flatMap((problem) => {
    const { file, line, message } = problem as { file?: unknown; line?: unknown; message?: unknown };
    const isPlace = typeof file === 'string' && typeof line === 'number' && typeof message === 'string';
    return isPlace ? [visible(`${file}:${line}: ${message}`)] : [];
  });
}

/** Values that can be shown in a line; the rest is in the advice or for `--json`. */
function shownDetail(value: unknown, now: number): string | undefined {
  if (typeof value === 'string' && INSTANT.test(value)) return clockTime(value, now);
  if (typeof value === 'string' || typeof value === 'number') return visible(value);
  if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string'))
    return visible(value.join(', '));
  return undefined;
}

/** `pickedUpAt` → `picked up at` */
export const wordsFor = (name: string): string =>
  visible(name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));

function problemOf(error: AppError, { asTyped }: Reader): Record<string, unknown> {
  const reply = error instanceof ProblemReply ? error : undefined;
  return {
    type: reply?.type ?? `urn:curfew:problem:${error.code}`,
    title: error.message,
    ...(reply && { status: reply.status }),
    code: error.code,
    ...(error.advice !== undefined && { detail: asTyped(error.advice) }),
    ...(reply?.requestId !== undefined && { requestId: reply.requestId }),
    ...(Object.keys(error.details).length > 0 && { details: error.details }),
  };
}

/** Something nobody thought of. What foreign errors say may quote what they worked on: name and code do. */
function internal(error: unknown): AppError {
  const system = error as NodeJS.ErrnoException;
  const isSystem = error instanceof Error && typeof system.code === 'string' && typeof system.syscall === 'string';
  return new AppError({
    kind: 'internal',
    code: 'cli.internal',
    message: isSystem
      ? `${system.code}${system.path === undefined ? '' : `: ${system.path}`}`
      : 'something in curfew itself went wrong',
    advice: isSystem
      ? 'The system refused this.'
      : `It is a fault: ${error instanceof Error ? `${error.name} ${stackTop(error)}` : typeof error}`,
    cause: error,
  });
}

const stackTop = (error: Error): string => /\n\s+(at .*)/.exec(error.stack ?? '')?.[1] ?? '';
