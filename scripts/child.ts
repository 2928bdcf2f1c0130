import { spawn } from 'node:child_process';

export interface Finished {
  readonly status: number | null;
  readonly output: string;
}

/** Runs one program to its end and returns what it said on both streams. Ended with us: `signal` stops it. */
export function run(
  command: readonly [string, ...string[]],
  options: { cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<Finished> {
  const [program, ...flags] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, flags, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, output }));
  });
}
