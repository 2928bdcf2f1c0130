import { columnsOf, type Terminal } from './terminal';
import { cut } from './width';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const CLEAR_LINE = '\r\u001b[K';

/**
 * Shows that something is waited for, on a terminal moving, elsewhere one line when it begins. Nothing of it is left when
 * the work is done.
 */
export async function progress<T>(
  terminal: Terminal,
  text: string,
  work: (say: (text: string) => void) => Promise<T>,
): Promise<T> {
  const { stderr } = terminal.streams;
  if (stderr.isTTY !== true) {
    if (!terminal.json) terminal.note(text);
    return work(() => undefined);
  }
  let shown = text;
  let frame = 0;
  const draw = (): void => {
    const line = cut(shown, columnsOf(stderr) - 3);
    stderr.write(`${CLEAR_LINE}${terminal.notePaint('cyan', FRAMES[frame % FRAMES.length] ?? '')} ${line}`);
    frame += 1;
  };
  draw();
  const timer = setInterval(draw, FRAME_MS);
  try {
    return await work((next) => void (shown = next));
  } finally {
    clearInterval(timer);
    stderr.write(CLEAR_LINE);
  }
}
