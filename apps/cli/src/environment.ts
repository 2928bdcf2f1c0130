import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** What the command line takes from its environment; read here and nowhere else. */
export interface Environment {
  /** `CURFEW_PROFILE` */
  readonly profile: string | undefined;
  /** `CURFEW_URL` */
  readonly url: string | undefined;
  /** `CURFEW_HOME`: where the service of a clone says its address (`run.json`). */
  readonly home: string | undefined;
  /** `CURFEW_INSECURE_HTTP=1`: plain HTTP to another machine is wanted. */
  readonly insecureHttp: boolean;
  /** `CURFEW_COMMAND`: how this program was called, for the commands that it suggests. */
  readonly command: string;
  /** Sign-ins and kept credentials: `$XDG_STATE_HOME/curfew` or `~/.local/state/curfew`. */
  readonly stateFolder: string;
  /** `NO_COLOR` is set, or the terminal is dumb. */
  readonly plain: boolean;
  /** What the child of `exec` inherits. */
  readonly inherited: Readonly<NodeJS.ProcessEnv>;
}

export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  // An empty variable is an absent one.
  const read = (name: string): string | undefined => variables[name] || undefined;
  const xdg = read('XDG_STATE_HOME');
  // The XDG specification: a path that is not absolute is to be ignored.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(read('HOME') ?? homedir(), '.local', 'state');
  return {
    profile: read('CURFEW_PROFILE'),
    url: read('CURFEW_URL'),
    home: read('CURFEW_HOME'),
    insecureHttp: read('CURFEW_INSECURE_HTTP') === '1',
    command: commandWord(read('CURFEW_COMMAND')),
    stateFolder: join(base, 'curfew'),
    plain: read('NO_COLOR') !== undefined || read('TERM') === 'dumb',
    inherited: variables,
  };
}

/** Only what can be shown and pasted. */
function commandWord(word = ''): string {
  if (/^[A-Za-z0-9_./-]{1,200}$/.test(word)) return word;
  return /^[^\p{C}\p{Zl}\p{Zp}'`]{1,200}$/u.test(word) ? `'${word}'` : 'curfew';
}
