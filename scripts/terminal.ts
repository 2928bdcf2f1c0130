import { ticks } from './waiting.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;

/** What the person sees: moving on a terminal, one line per finished step anywhere else. */
export class Terminal {
  readonly isTerminal: boolean;
  readonly #out: NodeJS.WriteStream;
  readonly #colours: boolean;
  #spinning: NodeJS.Timeout | undefined;

  constructor(environment: NodeJS.ProcessEnv, out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    this.isTerminal = out.isTTY;
    this.#colours = this.isTerminal && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
    // A terminal that was closed is no reason to leave processes behind.
    for (const stream of [out, process.stderr]) stream.on('error', () => undefined);
  }

  bold = (text: string): string => this.#coloured('1', text);
  dim = (text: string): string => this.#coloured('2', text);

  say(line = ''): void {
    this.#clear();
    this.#out.write(`${line}\n`);
  }

  done(line: string): void {
    this.say(`${this.#coloured('32', '✓')} ${line}`);
  }

  warn(line: string): void {
    this.say(`${this.#coloured('33', '!')} ${line}`);
  }

  fail(message: string, advice: readonly string[]): void {
    this.#clear();
    const lines = advice.map((line) => `  ${line}\n`);
    process.stderr.write(`\n${this.#coloured('31', '✗')} ${message}\n${lines.join('')}\n`);
  }

  /** Shows that something is being done while it is; `done` words what came of it and how long it took. */
  async step<T>(doing: string, work: () => Promise<T>, done: (result: T, seconds: string) => string): Promise<T> {
    const started = ticks();
    const seconds = (): string => ((ticks() - started) / 1_000).toFixed(1);
    let frame = 0;
    const draw = (): void => {
      frame += 1;
      this.#out.write(`\r\u001B[2K${FRAMES[frame % FRAMES.length]} ${doing} ${this.dim(`${seconds()} s`)}`);
    };
    this.#clear();
    if (this.isTerminal) this.#spinning = setInterval(draw, FRAME_MS);
    try {
      const result = await work();
      this.done(done(result, seconds()));
      return result;
    } finally {
      this.#clear();
    }
  }

  #clear(): void {
    if (!this.#spinning) return;
    clearInterval(this.#spinning);
    this.#spinning = undefined;
    this.#out.write('\r\u001B[2K');
  }

  #coloured(code: string, text: string): string {
    return this.#colours ? `\u001B[${code}m${text}\u001B[0m` : text;
  }
}
