import { Failure } from '../failure';
import type { KeptCredentials } from '../state/kept-credentials';
import type { PickedUp } from '../service/shapes';

const NAME = /^[A-Z][A-Z0-9_]{0,63}$/;

/** What would run somebody's code, or other code, in place of the command. No credential needs them. */
const DANGEROUS =
  /^(PATH|HOME|SHELL|IFS|ENV|BASH_ENV|PS4|PROMPT_COMMAND|CDPATH|EDITOR|VISUAL|PAGER|LESSOPEN|LESSCLOSE|NODE_OPTIONS|NODE_PATH|RUBYOPT|RUBYLIB|JAVA_TOOL_OPTIONS|PSQL_EDITOR|PSQL_PAGER|PSQLRC|(LD|DYLD|PYTHON|PERL5?|GIT|SSH|GCONV|GLIBC|MALLOC)_?[A-Z0-9_]*)$/;

/** Variables of one client: what the person has set of them for something else would lead it elsewhere. */
const FAMILIES: readonly { readonly member: RegExp; readonly kept: RegExp }[] = [
  { member: /^PG[A-Z]/, kept: /^PG(APPNAME|TZ|DATESTYLE|CLIENTENCODING|CONNECT_TIMEOUT|OPTIONS|GEQO)$/ },
  { member: /^AWS_/, kept: /^AWS_(REGION|DEFAULT_REGION|PAGER|DEFAULT_OUTPUT)$/ },
  { member: /^VAULT_/, kept: /^VAULT_(FORMAT|CLI_NO_COLOR)$/ },
];

/** What the child gets: the person's own environment, with the credential in it and nothing that contradicts it. */
export function childEnvironment(
  inherited: Readonly<NodeJS.ProcessEnv>,
  credential: Readonly<Record<string, string>>,
): NodeJS.ProcessEnv {
  const names = Object.keys(credential);
  const bad = names.find((name) => !NAME.test(name) || DANGEROUS.test(name));
  if (bad !== undefined)
    throw new Failure({
      kind: 'internal',
      code: 'cli.dangerous_variable',
      message: 'the service wants to set a variable that no credential needs',
      advice: 'Nothing was run. Tell its operator.',
      details: { variable: bad },
    });
  const families = FAMILIES.filter(({ member }) => names.some((name) => member.test(name)));
  const contradicts = (name: string): boolean =>
    families.some(({ member, kept }) => member.test(name) && !kept.test(name));
  const own = Object.entries(inherited).filter(([name]) => !contradicts(name));
  return { ...Object.fromEntries(own), ...credential };
}

/** The variables of a credential; those whose content the client wants as a file name one that only its owner can read. */
export function variablesOf(
  kept: KeptCredentials,
  grantId: string,
  { environment, files }: PickedUp,
): Record<string, string> {
  const paths = Object.entries(files ?? {}).map(([name, content]) => {
    if (!NAME.test(name)) throw new RangeError('the name of a variable');
    return [name, kept.keepFile(grantId, name, content)] as const;
  });
  return { ...environment, ...Object.fromEntries(paths) };
}
