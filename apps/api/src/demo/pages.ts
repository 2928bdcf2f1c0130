import { createHash } from 'node:crypto';

/** Text that is HTML already. Everything else is escaped. */
class Html {
  constructor(readonly text: string) {}
}

type Piece = Html | string | undefined | false;

function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return new Html(strings.reduce((text, next, at) => text + rendered(pieces[at - 1]) + next));
}

function rendered(piece: Piece): string {
  if (piece instanceof Html) return piece.text;
  return piece ? piece.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`) : '';
}

const STYLE = `
:root { color-scheme: light dark; --ink: #16202b; --quiet: #51606f; --paper: #fff; --ground: #eef1f4; --line: #8796a5; --accent: #0b5cab; --on-accent: #fff; --wrong: #a3182c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf2; --quiet: #a7b4c1; --paper: #1a222b; --ground: #11171d; --line: #6b7a89; --accent: #6cb2ff; --on-accent: #0b1117; --wrong: #ff9aa6; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: min(24rem, 100%); background: var(--paper); border-radius: .75rem; padding: 2rem; box-shadow: 0 1px 2px #0002, 0 8px 24px #0001; }
.brand { margin: 0 0 1.5rem; font-weight: 600; letter-spacing: .02em; color: var(--quiet); }
h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.25; }
p { margin: 0 0 1rem; }
.quiet { color: var(--quiet); font-size: .9375rem; }
.wrong { color: var(--wrong); font-weight: 600; }
.code { display: block; margin: 1rem 0; padding: .75rem; border: 1px solid var(--line); border-radius: .5rem; text-align: center; font: 600 1.5rem/1.2 ui-monospace, monospace; letter-spacing: .12em; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
input { width: 100%; padding: .625rem .75rem; border: 1px solid var(--line); border-radius: .5rem; background: transparent; color: inherit; font: inherit; }
input[name=user_code] { font-family: ui-monospace, monospace; letter-spacing: .12em; text-transform: uppercase; }
button { width: 100%; margin-top: 1.5rem; padding: .6875rem; border: 0; border-radius: .5rem; background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer; }
button.second { margin-top: .75rem; background: none; color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
`;

/** In one piece: the policy below allows exactly the text between the tags. */
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);

/** Nothing but the page itself: no script, no frame, no other origin. */
export const CONTENT_SECURITY_POLICY = [
  `default-src 'none'`,
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  `form-action 'self'`,
  `base-uri 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

function page(title: string, content: Html): string {
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Curfew</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <main>
          <p class="brand">Curfew · demo accounts</p>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`;
  return document.text;
}

const alert = (text: string | undefined) => text !== undefined && html`<p class="wrong" role="alert">${text}</p>`;

/** Asks for the code that the terminal shows. */
export function codePage(form: {
  action: string;
  xsrf: string;
  code?: string | undefined;
  wrong?: string | undefined;
}) {
  return page(
    'Sign in on your terminal',
    html`${alert(form.wrong)}
      <form method="post" action="${form.action}">
        <input type="hidden" name="xsrf" value="${form.xsrf}" />
        <label for="code">The code that your terminal shows</label>
        <input
          id="code"
          name="user_code"
          value="${form.code}"
          required
          autofocus
          autocomplete="off"
          spellcheck="false"
        />
        <button>Continue</button>
      </form>`,
  );
}

/** Asks whether the code is the one that the terminal shows: somebody else's link would sign somebody else in. */
export function confirmPage(form: { action: string; xsrf: string; code: string }) {
  return page(
    'Is this your terminal?',
    html`<p>Your terminal shows this code. If it does not, somebody else wants to sign in as you.</p>
      <span class="code">${form.code}</span>
      <form method="post" action="${form.action}">
        <input type="hidden" name="xsrf" value="${form.xsrf}" />
        <input type="hidden" name="user_code" value="${form.code}" />
        <button name="confirm" value="yes" autofocus>Yes, continue</button>
        <button name="abort" value="yes" class="second">No, stop this sign-in</button>
      </form>`,
  );
}

export function signInPage(form: { action: string; account?: string | undefined; wrong?: string | undefined }) {
  const again = form.account !== undefined;
  return page(
    'Sign in',
    html`${alert(form.wrong)}
      <form method="post" action="${form.action}">
        <label for="account">Account</label>
        <input
          id="account"
          name="account"
          value="${form.account}"
          required
          ${!again && 'autofocus'}
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          required
          ${again && 'autofocus'}
          autocomplete="current-password"
        />
        <button>Sign in</button>
      </form>
      <p class="quiet">The accounts and their passwords are where <code>npm start</code> runs.</p>`,
  );
}

export function signedInPage(name: string) {
  return page(
    'You are signed in',
    html`<p>Hello, ${name}. Your terminal goes on by itself; this page can be closed.</p>`,
  );
}

export function problemPage(what: string) {
  return page(
    'This did not work',
    html`<p role="alert">${what}</p>
      <p class="quiet">Start again: <code>curfew login</code>.</p>`,
  );
}
