import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Watches over a server on behalf of this process. */
export interface Guardian {
  /** The watch is over: whoever had it ends the server by himself. Resolves when nothing is left of it. */
  dismiss(): Promise<void>;
}

// Waits for its input to end, which the system sees to when we do, however we do. Then no new sessions, after a second
// none at all, and before two are over no server: where its disk is too slow for that, the next start recovers. The
// number is looked up again before each signal: by then somebody may have begun anew.
const AFTERWARDS = `
  read -r _
  named() { head -n 1 "$0" 2>/dev/null; }
  server=$(named); [ -n "$server" ] || exit 0
  end() { [ "$(named)" = "$server" ] && kill "$1" "$server" 2>/dev/null || exit 0; }
  end -TERM; sleep 1
  end -INT; sleep 0.6
  end -QUIT`;
const AT_ONCE = `read -r _; server=$(head -n 1 "$0" 2>/dev/null) && kill -QUIT "$server"; rm -rf "$1"`;

/** Shuts the server in `folder` down in good order when this process is gone: sessions may finish for a second. */
export function guard(folder: string): Guardian {
  return watch(AFTERWARDS, folder, '');
}

/** Ends the server in `folder` at once when this process is gone, and removes `rubbish`: for data that nobody misses. */
export function guardFleeting(folder: string, rubbish: string): Guardian {
  return watch(AT_ONCE, folder, rubbish);
}

function watch(script: string, folder: string, rubbish: string): Guardian {
  const command = ['-c', script, join(folder, 'data', 'postmaster.pid'), rubbish];
  // A session of its own: Ctrl-C is not meant for it.
  const child = spawn('/bin/sh', command, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  return {
    dismiss: () => {
      child.ref();
      child.kill('SIGKILL');
      return gone;
    },
  };
}
