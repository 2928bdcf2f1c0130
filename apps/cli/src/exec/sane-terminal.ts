import { execFileSync } from 'node:child_process';
import type { Terminal } from '../terminal/terminal';

/** Remembers how the terminal is set. @returns what sets it so again, after a child that could not */
export function rememberTerminal({ streams }: Terminal): () => void {
  if (streams.stdin.isTTY !== true) return () => undefined;
  const settings = stty('-g');
  return () => {
    if (settings !== undefined) stty(settings);
    // Cursor visible, no colours, no bracketed paste, no mouse.
    if (streams.stdout.isTTY === true)
      streams.stdout.write('\u001b[?25h\u001b[0m\u001b[?2004l\u001b[?1000l\u001b[?1002l\u001b[?1003l');
  };
}

function stty(word: string): string | undefined {
  try {
    return execFileSync('stty', [word], { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
