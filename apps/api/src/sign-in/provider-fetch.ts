const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1_048_576;

/** TLS, or a server on this very machine. */
export function isTrustworthy(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
}

export function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname);
}

/** `fetch` as a provider gets it: no clear text over a network, no redirects, 5 seconds, 1 MiB. */
export async function providerFetch(url: string, options: RequestInit): Promise<Response> {
  if (!isTrustworthy(new URL(url))) throw new Error('a provider is reached by TLS only');
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const response = await fetch(url, { ...options, redirect: 'manual', signal });
  const body = response.body === null ? null : await boundedBody(response.body);
  return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
}

async function boundedBody(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error('the answer of a provider is too long');
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks, bytes));
}
