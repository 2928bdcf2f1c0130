import type { Command } from 'commander';
import type { Act } from '../act';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import { childEnvironment, variablesOf } from '../exec/child-environment';
import { grantEnd, lookOnce } from '../exec/grant-end';
import { CannotRun, runChild, type Outcome } from '../exec/run-child';
import { rememberTerminal } from '../exec/sane-terminal';
import { Interrupted } from '../failure';
import { report } from '../report';
import { keptOrPickedUp, type PickedUpHere } from '../service/credentials';
import { grantId } from '../service/resolve';
import type { Grant, GrantLife } from '../service/shapes';
import { isAway, waitUntil } from '../service/waiting';
import { progress } from '../terminal/progress';
import { visible } from '../terminal/visible';
import { hasEnded } from './ended';
import { sayUnlessKept } from './not-kept';
import { short } from './words';

/** How long a command that failed waits for why, in milliseconds. */
const LOOK_MS = 2_000;

export function addExecCommand(program: Command, act: Act): void {
  program
    .command('exec')
    .description('run a command with what a grant hands over in its environment, until the grant ends')
    .usage('<grant> -- <command> [words...]')
    .argument('<grant>', 'its id, the beginning of it, or target/entitlement for your one live grant')
    .argument('<command...>', 'what to run, after --')
    .action(act<[string, string[]]>(exec));
}

interface Held {
  readonly id: string;
  readonly credential: PickedUpHere;
  /** The service did not answer: this is what was kept. */
  readonly away: boolean;
}

async function exec(context: Context, _: object, text: string, command: string[]): Promise<number> {
  const held = await hold(context, text);
  const { api, connection, environment, passSignals, signal, terminal } = context;
  // Whoever pressed Ctrl-C until now did not want it to run.
  if (signal.aborted) throw new Interrupted();
  const { kept, http } = connection;
  const { clock } = http;
  const now = (): number => clock.certainly() + (clock.isKnown ? 0 : held.credential.aheadMs);
  if (Date.parse(held.credential.endsAt) <= now()) {
    kept.forget(held.id);
    throw hasEnded(context, held.credential);
  }
  if (held.away && !terminal.json)
    terminal.note('The service does not answer; going on with what was picked up before.');
  sayUnlessKept(context, held.id, held.credential);
  const restore = rememberTerminal(terminal);
  const look = (signal: AbortSignal): Promise<Grant> => api.getWhile<Grant>(signal, `/v1/grants/${held.id}`);
  try {
    const outcome = await runChild({
      command,
      environment: childEnvironment(environment.inherited, variablesOf(kept, held.id, held.credential)),
      passSignals,
      end: (over) =>
        grantEnd({
          look,
          now,
          endsAt: held.credential.endsAt,
          signal: over,
        }),
    });
    const reason = outcome.ended ?? (await endedFirst(outcome, look));
    if (reason === undefined) return outcome.code;
    kept.forget(held.id);
    restore();
    sayEnded(context, held, reason);
    return EXIT.grantEnded;
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error;
    report(context, error);
    return error.exitCode;
  }
}

/** The target cuts a session at once, and we look every now and then: a command that failed by itself may have been cut. */
async function endedFirst(
  { code, signalled }: Outcome,
  look: (signal: AbortSignal) => Promise<Grant>,
): Promise<string | undefined> {
  if (code === EXIT.ok || signalled) return undefined;
  const seen = await lookOnce(look, AbortSignal.timeout(LOOK_MS));
  return typeof seen === 'string' ? seen : undefined;
}

/** What the command needs: kept since the last time, or picked up now. */
async function hold(context: Context, text: string): Promise<Held> {
  const { api, connection, signal } = context;
  try {
    const id = await grantId(api, text, 'mine');
    const grant = await ready(context, await api.get<GrantLife>(`/v1/grants/${id}`));
    return { id, credential: await keptOrPickedUp(connection, grant), away: false };
  } catch (error) {
    if (signal.aborted || !isAway(error)) throw error;
    const [id, ...others] = connection.kept.named(text);
    const credential = id === undefined || others.length > 0 ? undefined : connection.kept.find(id);
    if (id === undefined || !credential) throw error;
    return { id, credential, away: true };
  }
}

async function ready(context: Context, grant: GrantLife): Promise<GrantLife> {
  const isMade = ({ state }: Grant): boolean => state !== 'scheduled' && state !== 'activating';
  const { api, connection, signal, terminal } = context;
  const path = `/v1/grants/${grant.id}`;
  const made = isMade(grant)
    ? grant
    : await progress(terminal, 'making the access ready', () =>
        waitUntil<GrantLife>({ api, path, signal, until: isMade, everyMs: 250 }),
      );
  if (made.state === 'active') return made;
  connection.kept.forget(made.id);
  throw hasEnded(context, made);
}

/** What was decided: whether the target has ended it too, is for the proof to say. */
function sayEnded(context: Context, { id, credential: { entitlement, endsAt } }: Held, endReason: string): void {
  const { terminal } = context;
  if (terminal.json) return void report(context, hasEnded(context, { entitlement, endsAt, endReason }));
  terminal.note(
    `${terminal.notePaint('yellow', '!')} ${visible(entitlement)} is over (${visible(endReason)}), and the command with it. Whether its end is proven: ${context.suggest(`show ${short(id)}`)}`,
  );
}
