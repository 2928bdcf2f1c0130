import { errors, type Provider } from 'oidc-provider';
import { z } from 'zod';
import { Secret } from '@app/kernel';
import { DemoAccounts, TooManySignIns } from './demo-accounts';
import { CODE_IN_ADDRESS } from './device-pages';
import { CONTENT_SECURITY_POLICY, problemPage, signInPage } from './pages';

type Middleware = Parameters<Provider['use']>[0];
type Context = Parameters<Middleware>[0];

const MAX_BODY_BYTES = 4_096;
/** Where the code is confirmed, and where the browser comes back to afterwards; `/device/auth` is no page, but Curfew's own. */
const DEVICE = /^\/device(\/(?!auth$).*)?$/;
const SIGN_IN = /^\/sign-in\/([A-Za-z0-9_-]{1,64})$/;

const credentials = z.object({ account: z.string().trim().max(255), password: z.string().max(200) });

/** The sign-in page, the headers of all pages, and the code that stands in the address. */
export function signInRoutes(provider: Provider, accounts: DemoAccounts): Middleware {
  return async (ctx, next) => {
    ctx.set({
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    const uid = SIGN_IN.exec(ctx.path)?.[1];
    if (uid === undefined) {
      if (!(await answer(ctx, () => assertBegun(provider, ctx)))) return;
      takeCodeOutOfAddress(ctx);
      await next();
      return;
    }
    ctx.type = 'html';
    await answer(ctx, async () => {
      const { uid: known } = await provider.interactionDetails(ctx.req, ctx.res);
      if (known !== uid) throw new errors.SessionNotFound('another sign-in');
      if (ctx.method === 'POST') await signIn(provider, accounts, ctx);
      else ctx.body = signInPage({ action: addressOf(provider, ctx) });
    });
  };
}

/** @returns `false` when the page says what is wrong instead */
async function answer(ctx: Context, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined) throw error;
    ctx.type = 'html';
    ctx.status = status;
    ctx.body = problemPage(
      status === 429 ? 'Too many people are signing in at once.' : 'This sign-in is not known any more.',
    );
    return false;
  }
}

/**
 * Only whoever has opened the page that asks for the code goes on: the provider keeps who that is in memory, and fails over
 * a session that it has not kept (after a restart, say) when it means to say so itself. @throws SessionNotFound
 */
async function assertBegun(provider: Provider, ctx: Context): Promise<void> {
  const [isDevice, resumed] = DEVICE.exec(ctx.path) ?? [];
  if (isDevice === undefined || (resumed === undefined && ctx.method !== 'POST')) return;
  const { exp, state } = await provider.Session.get(ctx);
  const begun = resumed === undefined ? state : exp;
  if (begun === undefined) throw new errors.SessionNotFound('no sign-in was begun');
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof TooManySignIns) return 429;
  return error instanceof errors.SessionNotFound || error instanceof BodyUnreadable ? 400 : undefined;
}

async function signIn(provider: Provider, accounts: DemoAccounts, ctx: Context): Promise<void> {
  const { account, password } = await readCredentials(ctx);
  if (!(await accounts.verify(account, new Secret(password)))) {
    ctx.status = 403;
    ctx.body = signInPage({ action: addressOf(provider, ctx), account, wrong: 'Account or password is wrong.' });
    return;
  }
  const result = { login: { accountId: account, remember: false } };
  const resume = await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  ctx.status = 303;
  ctx.redirect(resume);
}

/** Of this page, as the browser sees it: the mount point is not in Koa's path. */
const addressOf = (provider: Provider, ctx: Context): string => new URL(provider.issuer).pathname + ctx.path;

class BodyUnreadable extends Error {}

async function readCredentials(ctx: Context): Promise<z.infer<typeof credentials>> {
  if (!ctx.is('application/x-www-form-urlencoded')) throw new BodyUnreadable();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new BodyUnreadable();
    chunks.push(chunk);
  }
  const sent = credentials.safeParse(Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString('utf8'))));
  if (!sent.success) throw new BodyUnreadable();
  return sent.data;
}

/** The provider would post it on by a script; the page asks the person at once instead. */
function takeCodeOutOfAddress(ctx: Context): void {
  if (ctx.method !== 'GET' || ctx.path !== '/device') return;
  ctx.state[CODE_IN_ADDRESS] = ctx.query['user_code'];
  ctx.querystring = '';
}
