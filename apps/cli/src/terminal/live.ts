import { Interrupted } from '../failure';
import { sleep } from '../sleep';
import type { Terminal } from './terminal';

const TICK_MS = 1_000;
const LOOK_EVERY = 2;

export interface LiveView<T extends { readonly id: string }> {
  /** Asked every other second. `undefined` when the service is away. */
  readonly look: () => Promise<readonly T[] | undefined>;
  /** Drawn every second. */
  readonly draw: (items: readonly T[]) => readonly string[];
  /** One thing on one line, for when this is no terminal. */
  readonly line: (item: T) => string;
  /** What makes it another one; `draw` shows the rest. */
  readonly state: (item: T) => string;
  readonly signal: AbortSignal;
}

/**
 * Shows a list that goes on, until Ctrl-C: in place on a terminal, a line for each change elsewhere, a line of JSON for
 * each change with `--json`.
 */
export async function watch<T extends { readonly id: string }>(terminal: Terminal, view: LiveView<T>): Promise<never> {
  const screen = terminal.width !== undefined && !terminal.json ? new Screen(terminal, view) : new Log(terminal, view);
  for (let tick = 0; ; tick += 1) {
    if (tick % LOOK_EVERY === 0) screen.found(await view.look());
    screen.tick();
    await sleep(TICK_MS, view.signal);
  }
}

/** In place, drawn anew every second. */
class Screen<T extends { readonly id: string }> {
  #items: readonly T[] = [];
  #isAway = false;
  #drawn = 0;

  constructor(
    private readonly terminal: Terminal,
    private readonly view: LiveView<T>,
  ) {}

  found(items: readonly T[] | undefined): void {
    this.#isAway = items === undefined;
    this.#items = items ?? this.#items;
  }

  tick(): void {
    this.#drawn = redraw(
      this.terminal,
      [...this.view.draw(this.#items), ...footer(this.terminal, this.#isAway)],
      this.#drawn,
    );
  }
}

/** A line for each thing that is new or has another state. */
class Log<T extends { readonly id: string }> {
  readonly #states = new Map<string, string>();
  #isAway = false;

  constructor(
    private readonly terminal: Terminal,
    private readonly view: LiveView<T>,
  ) {}

  found(items: readonly T[] | undefined): void {
    if (items === undefined && !this.#isAway) this.terminal.note('the service does not answer; trying again');
    this.#isAway = items === undefined;
    for (const item of items ?? []) this.#tell(item);
  }

  tick(): void {}

  #tell(item: T): void {
    const state = this.view.state(item);
    if (this.#states.get(item.id) === state) return;
    this.#states.set(item.id, state);
    if (this.terminal.json) this.terminal.record(item);
    else this.terminal.print(this.view.line(item));
  }
}

function footer({ paint }: Terminal, isAway: boolean): string[] {
  return [
    '',
    isAway ? paint('yellow', 'The service does not answer; trying again.') : paint('dim', 'Ctrl-C ends this.'),
  ];
}

/** Writes over what was drawn before. Never more lines than fit: what scrolled away cannot be written over. */
function redraw({ streams: { stdout }, height }: Terminal, lines: readonly string[], before: number): number {
  const fitting = lines.slice(0, Math.max(1, height - 1));
  const up = before === 0 ? '' : `\u001b[${before}A`;
  stdout.write(`${up}\r\u001b[J${fitting.join('\n')}\n`);
  return fitting.length;
}

/** Runs something that only Ctrl-C ends: that is no failure, and its code says so. */
export async function untilInterrupted(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  }
}
