import { parseArgs } from 'node:util';
import { explain } from './failure.ts';
import { Terminal } from './terminal.ts';

/** What a command of package.json takes: for `--help`, and for somebody who types something else. */
export interface Usage {
  /** As it is typed, and what it does; a line for each form. */
  readonly usage: string;
  /** Besides `--help`, without their dashes; or a command with values, which parses them, and says its usage, itself. */
  readonly flags?: readonly string[] | 'reads them itself';
}

type Work = (terminal: Terminal, flags: ReadonlySet<string>) => Promise<number>;

const WRONGLY_CALLED = 2;

/** Runs one of the commands of package.json to its end: `work` says the exit code, or fails in words. */
export async function runScript(usage: Usage | 'passes its arguments on', work: Work): Promise<void> {
  const terminal = new Terminal(process.env);
  try {
    process.exitCode =
      usage === 'passes its arguments on' ? await work(terminal, new Set()) : await call(usage, work, terminal);
  } catch (error) {
    const { advice, message } = explain(error);
    terminal.fail(message, advice);
    process.exitCode = 1;
  }
  process.exit();
}

async function call({ usage, flags = [] }: Usage, work: Work, terminal: Terminal): Promise<number> {
  try {
    const asked = flags === 'reads them itself' ? new Set<string>() : read(flags);
    if (!asked.has('help')) return await work(terminal, asked);
    terminal.say(usage);
    return 0;
  } catch (error) {
    if (!isMistyped(error)) throw error;
    // Node's second sentence is about arguments that begin with a dash: there are none here.
    terminal.fail(error.message.split('. ')[0] ?? error.message, usage.split('\n'));
    return WRONGLY_CALLED;
  }
}

function read(flags: readonly string[]): ReadonlySet<string> {
  const options = Object.fromEntries(flags.map((name) => [name, { type: 'boolean' } as const]));
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } });
  return new Set(Object.keys(values));
}

const isMistyped = (error: unknown): error is Error =>
  error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS_');
