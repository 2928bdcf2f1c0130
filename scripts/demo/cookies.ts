export interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly attributes: ReadonlySet<string>;
}

/** RFC 6265, as far as one host needs it: a jar knows no ports. */
export function setCookies(jar: Map<string, Cookie>, url: URL, lines: readonly string[]): void {
  for (const line of lines) {
    const [pair = '', ...rest] = line.split(';').map((part) => part.trim());
    const at = pair.indexOf('=');
    const attributes = new Map(
      rest.map((part) => {
        const [key = '', value = ''] = part.split(/=(.*)/s);
        return [key.toLowerCase(), value] as const;
      }),
    );
    const name = pair.slice(0, at);
    const path = attributes.get('path') ?? url.pathname.replace(/\/[^/]*$/, '') ?? '/';
    const gone = pair.slice(at + 1) === '' || (attributes.get('expires') ?? '').includes('1970');
    if (gone) jar.delete(`${name} ${path}`);
    else jar.set(`${name} ${path}`, { name, value: pair.slice(at + 1), path, attributes: new Set(attributes.keys()) });
  }
}
