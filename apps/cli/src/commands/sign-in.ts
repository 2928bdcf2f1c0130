import type { Command } from 'commander';
import type { Context } from '../context';
import { EXIT } from '../exit-codes';
import { Failure, Interrupted, ProblemReply, ServiceUnavailable } from '../failure';
import type { Act } from '../act';
import { sleep } from '../sleep';
import type { BegunSignIn, TokenPair } from '../service/shapes';
import { progress } from '../terminal/progress';
import { pairs } from '../terminal/table';
import { clockTime, relative } from '../terminal/times';
import { visible } from '../terminal/visible';

interface Me {
  readonly id: string;
  readonly kind: string;
  readonly connection: string;
  readonly subject: string;
  readonly name: string;
  readonly email: string | null;
  readonly groups: readonly string[];
  readonly signIn: { readonly signedInAt: string; readonly endsAt: string };
}

export function addSignInCommands(program: Command, act: Act): void {
  program
    .command('login')
    .description('sign in, in a browser on any machine')
    .option('--fresh', 'prove anew who you are, even if the provider still knows you')
    .action(act<[], { fresh?: boolean }>(login));
  program.command('logout').description('sign out, and forget what is kept here').action(act<[]>(logout));
  program.command('whoami').description('say who you are to Curfew, and until when').action(act<[]>(whoami));
}

async function login(context: Context, { fresh }: { fresh?: boolean }): Promise<void> {
  const { http, session, kept, address, last } = context.connection;
  const { body } = await http.send({
    method: 'POST',
    path: '/v1/sign-ins',
    body: fresh === true ? { maxAgeSeconds: 0 } : {},
  });
  const begun = body as BegunSignIn;
  sayWhere(context, begun);
  const pair = await progress(context.terminal, 'waiting for you to sign in', () => collect(context, begun)).catch(
    (error: unknown) => {
      if (error instanceof Interrupted) context.terminal.note('Nobody was signed in; who was before still is.');
      throw error;
    },
  );
  await endFormer(context);
  // Somebody else may have been signed in here.
  kept.forgetAll();
  await session.begin(pair);
  if (address.from !== 'clone') last.write(address.url);
  const me = await context.api.get<Me>('/v1/me');
  context.terminal.show(me, () => [
    `${context.terminal.paint('green', '✓')} Signed in as ${context.terminal.paint('bold', visible(me.name))} until ${clockTime(me.signIn.endsAt, context.now)}`,
  ]);
}

function sayWhere({ terminal }: Context, begun: BegunSignIn): void {
  const uri = begun.verificationUriComplete ?? begun.verificationUri;
  if (!/^https?:\/\//.test(uri))
    throw new ServiceUnavailable('the service sent no address to sign in at', 'Tell its operator.');
  const paint = terminal.notePaint;
  terminal.note(
    '',
    '  Open this address, on any machine, and check that it shows the same code:',
    '',
    `    ${paint('cyan', visible(uri))}`,
    `    ${paint('bold', visible(begun.userCode))}`,
    '',
  );
}

/** Polls as often as it may, for as long as there is something to wait for. */
async function collect(context: Context, begun: BegunSignIn): Promise<TokenPair> {
  const { http } = context.connection;
  const deadline = performance.now() + begun.expiresInSeconds * 1_000;
  let wait = begun.intervalSeconds;
  while (performance.now() < deadline) {
    await sleep(wait * 1_000, context.signal);
    const path = `/v1/sign-ins/${encodeURIComponent(begun.id)}/tokens`;
    try {
      const { status, body } = await http.send({ method: 'POST', path, body: { handle: begun.handle } });
      if (status === 200) return body as TokenPair;
      wait = (body as { retryAfterSeconds?: number }).retryAfterSeconds ?? wait;
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }
  throw new Failure({
    kind: 'conflict',
    code: 'cli.sign_in_lapsed',
    message: 'nobody signed in in time',
    advice: `Begin again: \`${context.suggest('login')}\`.`,
  });
}

const isPassing = (error: unknown): boolean =>
  error instanceof ServiceUnavailable ||
  (error instanceof ProblemReply && (error.kind === 'unavailable' || error.kind === 'limited'));

/** A sign-in that is replaced would live on at the service, with nobody who could end it. */
async function endFormer({ api, connection }: Context): Promise<void> {
  if (!connection.session.isSignedIn) return;
  try {
    await api.delete('/v1/sign-ins/current');
  } catch {
    // It has ended, or ends by itself.
  }
}

async function logout({ api, connection, terminal }: Context): Promise<number> {
  const { session, kept } = connection;
  if (!session.isSignedIn) {
    kept.forgetAll();
    terminal.show({ signedOut: false }, () => ['You were not signed in.']);
    return EXIT.ok;
  }
  let unheard: unknown;
  try {
    await api.delete('/v1/sign-ins/current');
  } catch (error) {
    // Ended already is what was wanted.
    if (!(error instanceof Failure && error.kind === 'unauthenticated')) unheard = error;
  }
  kept.forgetAll();
  await session.end();
  if (unheard !== undefined) throw unheardOf(unheard);
  terminal.show({ signedOut: true }, () => [
    `${terminal.paint('green', '✓')} Signed out. Nothing is kept here any more.`,
  ]);
  return EXIT.ok;
}

function unheardOf(cause: unknown): Failure {
  return new Failure({
    kind: 'unavailable',
    code: 'cli.signed_out_here_only',
    message: 'signed out here, but the service could not be told',
    advice: 'What was kept here is gone. At the service the sign-in ends by itself.',
    cause,
  });
}

async function whoami({ api, connection, terminal, profile }: Context): Promise<void> {
  const me = await api.get<Me>('/v1/me');
  const now = api.now();
  terminal.show(me, () =>
    pairs(
      [
        ['name', terminal.paint('bold', visible(me.name))],
        ['account', visible(`${me.connection}/${me.subject}`)],
        ...(me.email === null ? [] : [['e-mail', visible(me.email)] as const]),
        ['groups', me.groups.length === 0 ? 'none' : visible(me.groups.join(', '))],
        ['signed in', `${clockTime(me.signIn.signedInAt, now)} (${relative(me.signIn.signedInAt, now)})`],
        ['until', `${clockTime(me.signIn.endsAt, now)} (${relative(me.signIn.endsAt, now)})`],
        ['profile', profile],
        ['service', connection.address.url],
      ],
      terminal.paint,
    ),
  );
}
