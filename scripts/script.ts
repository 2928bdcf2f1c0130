import { explain } from './failure.ts';
import { Terminal } from './terminal.ts';

/** Runs one of the commands of package.json to its end: `work` says the exit code, or fails in words. */
export async function runScript(work: (terminal: Terminal) => Promise<number>): Promise<void> {
  const terminal = new Terminal(process.env);
  try {
    process.exitCode = await work(terminal);
  } catch (error) {
    const { advice, message } = explain(error);
    terminal.fail(message, advice);
    process.exitCode = 1;
  }
  process.exit();
}
