import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { EXIT } from '../exit-codes';
import { Failure } from '../failure';
import type { Surroundings } from '../context';
import { endTree } from './process-tree';

export interface Run {
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly passSignals: Surroundings['passSignals'];
  /** Resolves when the child may not go on. */
  readonly end: (signal: AbortSignal) => Promise<string>;
}

export interface Outcome {
  /** The child's own code, or 128 and its signal's number. */
  readonly code: number;
  /** Why it was ended, when it was. */
  readonly ended?: string;
  /** Somebody asked us to end, and the child got to hear it. */
  readonly signalled: boolean;
}

/** The others, a daemon's SIGHUP for example, ask for something else. */
const ASKS_TO_END: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGTERM']);

/**
 * Runs a command until it is done, or until it may not go on: then it is told to stop, with all that it has started and that
 * has what it was given in the environment, and made to 5 s later.
 */
export async function runChild({ command, environment, passSignals, end }: Run): Promise<Outcome> {
  const [name = '', ...words] = command;
  // Before there is a child: what comes while it is made is delivered when it is there, and kills nobody but it.
  let signalled = false;
  const takeBack = passSignals((signal) => {
    signalled ||= ASKS_TO_END.has(signal);
    child.kill(signal);
  });
  const child = spawn(name, words, { stdio: 'inherit', env: environment });
  const over = new AbortController();
  let ended: string | undefined;
  const ending = (async () => {
    const reason = await end(over.signal);
    if (over.signal.aborted) return;
    ended = reason;
    // Not in a session of its own, which could be ended as one: what is typed to is in the session of its terminal.
    if (child.pid !== undefined) await endTree(child.pid);
  })().catch(() => undefined);
  try {
    const code = await exitOf(child, name);
    return { code, signalled, ...(ended !== undefined && { ended }) };
  } finally {
    over.abort();
    takeBack();
    await ending;
  }
}

function exitOf(child: ChildProcess, name: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', (error: NodeJS.ErrnoException) => reject(new CannotRun(name, error)));
  child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  return promise;
}

/** The command did not even begin. */
export class CannotRun extends Failure {
  readonly exitCode: number;

  constructor(name: string, cause: NodeJS.ErrnoException) {
    const absent = cause.code === 'ENOENT';
    super({
      kind: 'invalid',
      code: absent ? 'cli.command_not_found' : 'cli.command_not_executable',
      message: absent ? `there is no command ${name}` : `${name} cannot be executed`,
      advice: 'What you picked up is kept until the grant ends: try again with another command.',
      cause,
    });
    this.exitCode = absent ? EXIT.commandNotFound : EXIT.cannotExecute;
  }
}
