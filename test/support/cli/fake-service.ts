import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export interface Answer {
  readonly status?: number;
  readonly body?: unknown;
  readonly type?: string;
}

export type Route = (asked: Asked) => Answer | 'hang up' | Promise<Answer | 'hang up'>;

/** A service on a port of its own, that answers as the test says: `GET /v1/grants/*` → answer. */
export class FakeService {
  readonly asked: Asked[] = [];
  readonly routes = new Map<string, Route>();
  /** Added to the time in the `Date` header. */
  aheadMs = 0;
  #server: Server | undefined;
  #url = '';

  get url(): string {
    return this.#url;
  }

  /** What was asked of one route. */
  of(route: string): Asked[] {
    return this.asked.filter((each) => matches(route, each));
  }

  on(route: string, answer: Route | Answer): this {
    this.routes.set(route, typeof answer === 'function' ? answer : () => answer);
    return this;
  }

  async start(port = 0): Promise<this> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const url = new URL(request.url ?? '/', 'http://x');
        const text = Buffer.concat(chunks).toString();
        const asked: Asked = {
          method: request.method ?? '',
          path: url.pathname,
          query: url.searchParams,
          headers: request.headers,
          body: text === '' ? undefined : JSON.parse(text),
        };
        this.asked.push(asked);
        void this.#answer(asked).then((answer) => {
          if (answer === 'hang up') return request.socket.destroy();
          const { status = 200, body, type = status >= 400 ? 'application/problem+json' : 'application/json' } = answer;
          response.sendDate = false;
          response.setHeader('Date', new Date(Date.now() + this.aheadMs).toUTCString());
          if (body === undefined) return response.writeHead(status).end();
          return response
            .writeHead(status, { 'content-type': type })
            .end(typeof body === 'string' ? body : JSON.stringify(body));
        });
      });
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.listen(port, '127.0.0.1', () => resolve(undefined));
    await promise;
    const address = this.#server.address();
    this.#url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : port}`;
    return this;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    if (!this.#server?.listening) return;
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  async #answer(asked: Asked): Promise<Answer | 'hang up'> {
    const found = [...this.routes].findLast(([route]) => matches(route, asked));
    return found ? found[1](asked) : problem(404, 'http.not_found', 'not found');
  }
}

export const problem = (status: number, code: string, title: string, more: object = {}): Answer => ({
  status,
  body: { type: `urn:curfew:problem:${code}`, title, status, code, requestId: 'the-request-id', ...more },
});

function matches(route: string, { method, path }: Asked): boolean {
  const [wanted = '', pattern = ''] = route.split(' ');
  if (wanted !== method) return false;
  const parts = pattern.split('/');
  const given = path.split('/');
  return parts.length === given.length && parts.every((part, i) => part === '*' || part === given[i]);
}
