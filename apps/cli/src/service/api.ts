import { ProblemReply, ServiceUnavailable } from '../failure';
import type { Call, Http, Reply } from './http';
import type { Session } from './session';
import type { Page } from './shapes';

export type Query = NonNullable<Call['query']>;

const PAGE = 200;

/** The service as somebody who is signed in: each call with their token, renewed when it is not accepted any more. */
export class Api {
  constructor(
    private readonly http: Http,
    private readonly session: Session,
    private readonly signal: AbortSignal,
    /** Told of every answer. */
    private readonly heard: (body: unknown) => void = () => undefined,
  ) {}

  /** The service's time, in milliseconds since the epoch. */
  now(): number {
    return this.http.clock.now();
  }

  async get<T>(path: string, query?: Query): Promise<T> {
    return (await this.#call({ method: 'GET', path, ...(query && { query }) })) as T;
  }

  /** A read that something else than Ctrl-C ends. @throws Interrupted then */
  async getWhile<T>(signal: AbortSignal, path: string): Promise<T> {
    return (await this.#call({ method: 'GET', path, signal })) as T;
  }

  /** A write that may be repeated when its answer was lost. */
  async post<T>(path: string, body: unknown = {}): Promise<T> {
    return (await this.#call({ method: 'POST', path, body, repeatable: true })) as T;
  }

  /** A write that is done once, or not: what it hands out is handed out once. */
  async postOnce<T>(path: string): Promise<T> {
    return (await this.#call({ method: 'POST', path, body: {} })) as T;
  }

  async put<T>(path: string, body: unknown): Promise<T> {
    return (await this.#call({ method: 'PUT', path, body, repeatable: true })) as T;
  }

  async delete(path: string): Promise<void> {
    await this.#call({ method: 'DELETE', path });
  }

  async page<T>(path: string, query: Query = {}): Promise<Page<T>> {
    const page = await this.get<Page<T>>(path, query);
    if (!Array.isArray(page.items)) throw new ServiceUnavailable('the service sent no list', 'Is it an older version?');
    return page;
  }

  /** Pages until somebody has seen enough; the newest first. */
  async *each<T>(path: string, query: Query = {}, max = 2_000): AsyncGenerator<T> {
    let cursor: string | undefined;
    let seen = 0;
    do {
      const limit = Math.min(PAGE, max - seen);
      const page = await this.page<T>(path, { ...query, limit, cursor });
      yield* page.items;
      seen += page.items.length;
      cursor = page.items.length === 0 ? undefined : page.nextCursor;
    } while (cursor !== undefined && seen < max);
  }

  async all<T>(path: string, query: Query = {}, max?: number): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this.each<T>(path, query, max)) items.push(item);
    return items;
  }

  async #call(call: Call): Promise<unknown> {
    const { body } = await this.#signedIn({ signal: this.signal, ...call });
    this.heard(body);
    return body;
  }

  async #signedIn(call: Call): Promise<Reply> {
    const token = this.session.accessToken();
    try {
      return await this.http.send({ ...call, token: token.reveal() });
    } catch (error) {
      // What was refused was not done: the same again, with another token, is safe.
      if (!(error instanceof ProblemReply) || error.kind !== 'unauthenticated') throw error;
    }
    const renewed = await this.session.renew(token);
    return this.http.send({ ...call, token: renewed.reveal() });
  }
}
