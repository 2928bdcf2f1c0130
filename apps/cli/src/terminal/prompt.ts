import { createInterface } from 'node:readline/promises';
import { PassThrough } from 'node:stream';
import { Secret } from '@app/kernel';
import { Interrupted, UsageError } from '../failure';
import type { Terminal } from './terminal';

/** A yes or no question. Anything but a clear yes is a no. */
export async function confirm(terminal: Terminal, question: string, signal: AbortSignal): Promise<boolean> {
  if (!terminal.isInteractive)
    throw new UsageError('nobody can be asked here', 'Say --yes to go on without a question.');
  const { stdin, stderr } = terminal.streams;
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (!signal.aborted) throw error;
    stderr.write('\n');
    throw new Interrupted();
  } finally {
    lines.close();
    stdin.pause();
  }
}

const INTERRUPT = '\u0003';
const END = '\u0004';
const ERASE = new Set(['\u007f', '\b']);
const MAX_LENGTH = 1_000;

/** Reads a line without showing it. */
export async function askHidden(terminal: Terminal, question: string): Promise<Secret<string>> {
  const { stdin, stderr } = terminal.streams;
  stderr.write(question);
  stdin.setRawMode?.(true);
  try {
    return new Secret(await readRaw(stdin.setEncoding('utf8')));
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    stderr.write('\n');
  }
}

function readRaw(input: NodeJS.ReadableStream): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let typed: string[] = [];
  const take = (character: string): boolean => {
    if (character === INTERRUPT) reject(new Interrupted());
    else if (character === '\r' || character === '\n' || character === END) resolve(typed.join(''));
    else if (ERASE.has(character)) return (typed.pop(), false);
    else if (character === '\u0015') return ((typed = []), false);
    else return (typed.length < MAX_LENGTH && typed.push(character), false);
    return true;
  };
  const onData = (chunk: string): void => void Array.from(chunk).some(take);
  const onEnd = (): void => resolve(typed.join(''));
  input.on('data', onData);
  input.once('end', onEnd);
  return promise.finally(() => {
    input.removeListener('data', onData);
    input.removeListener('end', onEnd);
  });
}

/** Everything that comes on standard input. @throws UsageError when it is too much */
export async function readAll(terminal: Terminal, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of terminal.streams.stdin.pipe(new PassThrough())) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > maxBytes) throw new UsageError('standard input holds too much', `At most ${maxBytes} bytes.`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
