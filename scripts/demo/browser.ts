import { setCookies, type Cookie } from './cookies.ts';

const ANSWER_MS = 30_000;

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly html: string;
  readonly headers: Headers;
}

/** As much of a browser as sign-in pages need: cookies with paths, redirects, forms. It runs no scripts. */
export class Browser {
  readonly cookies = new Map<string, Cookie>();

  async open(url: string): Promise<Page> {
    return this.#load(url, { method: 'GET' });
  }

  /** Fills in the page's form and presses a button: the first, or the one with this name. */
  async submit(page: Page, fields: Readonly<Record<string, string>> = {}, button?: string): Promise<Page> {
    const form = formOf(page, button);
    return this.#load(new URL(form.action, page.url).href, {
      method: 'POST',
      body: new URLSearchParams({ ...form.fields, ...fields }),
    });
  }

  async #load(url: string, init: RequestInit): Promise<Page> {
    const target = new URL(url);
    const response = await fetch(target, {
      ...init,
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: { accept: 'text/html', cookie: this.#header(target) },
    });
    setCookies(this.cookies, target, response.headers.getSetCookie());
    const html = await response.text();
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location) {
      return this.#load(new URL(location, url).href, { method: 'GET' });
    }
    return { url, status: response.status, html, headers: response.headers };
  }

  #header(url: URL): string {
    return [...this.cookies.values()]
      .filter(({ path }) => url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }
}

/** Opens the address of a sign-in, says that the code is the right one, and signs in. */
export async function signInWith(
  browser: Browser,
  address: string,
  person: { account: string; password: string },
): Promise<Page> {
  const confirm = await browser.open(address);
  const signIn = await browser.submit(confirm, {}, 'confirm');
  return browser.submit(signIn, person);
}

function formOf({ html }: Page, button?: string): { action: string; fields: Record<string, string> } {
  const form = /<form\b[^>]*action="([^"]*)"[^>]*>([^]*?)<\/form>/.exec(html);
  if (!form) throw new Error(`no form on this page: ${html}`);
  const [, action = '', content = ''] = form;
  const inputs = [...content.matchAll(/<input\b[^>]*>/g)].map(([tag]) => tag);
  const pressed = [...content.matchAll(/<button\b[^>]*>/g)].flatMap(([tag]) =>
    button !== undefined && attribute(tag, 'name') === button ? [tag] : [],
  );
  const fields = Object.fromEntries(
    [...inputs, ...pressed].map((tag) => [attribute(tag, 'name') ?? '', attribute(tag, 'value') ?? '']),
  );
  return { action: decoded(action), fields };
}

function attribute(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined ? undefined : decoded(value);
}

const decoded = (text: string): string =>
  text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))).replaceAll('&amp;', '&');
