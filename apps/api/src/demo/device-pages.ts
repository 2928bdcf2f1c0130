import type { Configuration, errors, KoaContextWithOIDC } from 'oidc-provider';
import { DemoAccounts } from './demo-accounts';
import { codePage, confirmPage, problemPage, signedInPage } from './pages';

type DeviceFlow = NonNullable<NonNullable<Configuration['features']>['deviceFlow']>;

/** A code in the address is shown at once, for the person to compare: it is taken out of the query before the provider sees it. */
export const CODE_IN_ADDRESS = 'codeInAddress';

/** The pages of the device flow, instead of the ones that come with the provider: those need scripts and show little. */
export function deviceFlowPages(
  accounts: DemoAccounts,
): Pick<DeviceFlow, 'userCodeInputSource' | 'userCodeConfirmSource' | 'successSource'> {
  return {
    userCodeInputSource(ctx, _form, _out, error) {
      const form = { action: ctx.oidc.urlFor('code_verification'), xsrf: xsrfOf(ctx) };
      const code = codeInAddress(ctx);
      ctx.type = 'html';
      ctx.body = !error && code ? confirmPage({ ...form, code }) : codePage({ ...form, wrong: whatIsWrong(error) });
    },
    userCodeConfirmSource(ctx, ...[_form, _client, _device, code]) {
      ctx.type = 'html';
      ctx.body = confirmPage({ action: ctx.oidc.urlFor('code_verification'), xsrf: xsrfOf(ctx), code });
    },
    async successSource(ctx) {
      const subject = ctx.oidc.session?.accountId ?? '';
      // The next sign-in in this browser may be somebody else's.
      await ctx.oidc.session?.destroy();
      ctx.type = 'html';
      ctx.body = signedInPage(accounts.find(subject)?.name ?? subject);
    },
  };
}

export function renderProblem(ctx: KoaContextWithOIDC, out: { error: string }): void {
  ctx.type = 'html';
  ctx.body = problemPage(
    out.error === 'server_error'
      ? 'Something is wrong here; the log says what.'
      : 'This sign-in is not known any more.',
  );
}

function codeInAddress(ctx: KoaContextWithOIDC): string | undefined {
  const code: unknown = ctx.state[CODE_IN_ADDRESS];
  return typeof code === 'string' && /^[A-Za-z]{4}-?[A-Za-z]{4}$/.test(code) ? code.toUpperCase() : undefined;
}

/** The provider puts it into the session before it renders a form. */
function xsrfOf(ctx: KoaContextWithOIDC): string {
  const state: unknown = ctx.oidc.session?.['state'];
  return state instanceof Object && 'secret' in state && typeof state.secret === 'string' ? state.secret : '';
}

function whatIsWrong(error: errors.OIDCProviderError | Error | undefined): string | undefined {
  if (!error || error.name === 'NoCodeError') return undefined;
  if (error.name === 'AbortedError') return 'The sign-in was stopped. Nobody was signed in.';
  if (error.name === 'AlreadyUsedError') return 'This code has been used. Each code works once.';
  if (error.name === 'NotFoundError' || error.name === 'ExpiredError') return 'This code is not known, or too old.';
  return 'This did not work. Enter the code again.';
}
