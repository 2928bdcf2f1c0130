import { errors, type Provider } from 'oidc-provider';
import { z } from 'zod';
import { Secret } from '@app/kernel';
import { DemoAccounts, TooManySignIns } from './demo-accounts';
import { CODE_IN_ADDRESS } from './device-pages';
import { CONTENT_SECURITY_POLICY, problemPage, signInPage } from './pages';

type Middleware = Parameters<Provider['use']>[0];
type Context = Parameters<Middleware>[0];

const MAX_BODY_BYTES = 4_096;
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
      takeCodeOutOfAddress(ctx);
      return next();
    }
    return answer(ctx, async () => {
      const { uid: known } = await provider.interactionDetails(ctx.req, ctx.res);
      if (known !== uid) throw new errors.SessionNotFound('another sign-in');
      if (ctx.method === 'POST') await signIn(provider, accounts, ctx);
      else ctx.body = signInPage({ action: addressOf(provider, ctx) });
    });
  };
}

async function answer(ctx: Context, work: () => Promise<void>): Promise<void> {
  ctx.type = 'html';
  try {
    await work();
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined) throw error;
    ctx.status = status;
    ctx.body = problemPage(
      status === 429 ? 'Too many people are signing in at once.' : 'This sign-in is not known any more.',
    );
  }
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
