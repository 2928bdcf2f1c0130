import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import manifest from '../../../../package.json';
import { Interrupted, ProblemReply, ServiceUnavailable } from '../failure';
import type { ServerClock } from './server-clock';

export const VERSION = manifest.version;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** A bearer token. */
  readonly token?: string;
  /** Sent with a key of its own, so that it may be repeated when no answer came. Reads need none. */
  readonly repeatable?: boolean;
  /** Ends a read or a wait. What changes something is never broken off: its outcome would be unknown. */
  readonly signal?: AbortSignal;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

const TIMEOUT_MS = 30_000;
const PAUSES_MS = [200, 600];
const MAX_REPLY = 16 * 1_048_576;

/** One service, spoken to as carefully as what passes through here asks for: no redirect, no waiting for ever. */
export class Http {
  /** @param locate where the service is, asked anew for each call */
  constructor(
    private readonly locate: () => string,
    readonly clock: ServerClock,
  ) {}

  /** @throws ProblemReply, ServiceUnavailable, Interrupted */
  async send(call: Call): Promise<Reply> {
    const key = call.repeatable === true ? randomUUID() : undefined;
    const mayRepeat = call.method === 'GET' || key !== undefined;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#once(call, key);
      } catch (error) {
        const wait = PAUSES_MS[attempt];
        if (!mayRepeat || wait === undefined || !isPassing(error)) throw error;
        await pause(wait);
        if (call.signal?.aborted) throw new Interrupted();
      }
    }
  }

  async #once(call: Call, key: string | undefined): Promise<Reply> {
    const service = this.locate();
    const url = new URL(service + call.path);
    for (const [name, value] of Object.entries(call.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const sentAt = performance.now();
    const response = await this.#fetch({ service, url }, call, key);
    const trip = { sentAt, receivedAt: performance.now() };
    this.clock.observe(response.headers.get('date'), trip);
    const reply = await this.#read(response, service);
    // The answer to a write may be an old one, given again.
    if (call.method === 'GET') this.clock.observeDatabase(asOf(reply.body), trip);
    return reply;
  }

  async #fetch(
    { service, url }: { service: string; url: URL },
    call: Call,
    key: string | undefined,
  ): Promise<Response> {
    const isRead = call.method === 'GET';
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    try {
      return await fetch(url, {
        method: call.method,
        headers: headersOf(call, key),
        ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
        redirect: 'manual',
        signal: isRead && call.signal ? AbortSignal.any([limit, call.signal]) : limit,
      });
    } catch (cause) {
      if (isRead && call.signal?.aborted) throw new Interrupted();
      throw noAnswer(service, cause);
    }
  }

  async #read(response: Response, service: string): Promise<Reply> {
    const { status } = response;
    let text: string;
    try {
      if (Number(response.headers.get('content-length') ?? 0) > MAX_REPLY) throw new RangeError('too long');
      text = await response.text();
    } catch (cause) {
      throw noAnswer(service, cause);
    }
    const body = parsed(text, response.headers.get('content-type'));
    if (status >= 400) throw problemOf(status, body, service);
    if (status >= 300 || (text !== '' && body === undefined))
      throw new ServiceUnavailable(`what answers at ${service} is not Curfew`, 'Check the address: --url, CURFEW_URL.');
    return { status, body };
  }
}

function noAnswer(service: string, cause: unknown): ServiceUnavailable {
  const code = reasonOf(cause);
  const advice =
    code !== undefined && /CERT|TLS|SSL|SELF_SIGNED|ALTNAME/.test(code)
      ? 'Its certificate is not accepted. NODE_EXTRA_CA_CERTS names a file with authorities of your own.'
      : 'Does it run, and is the address right? `npm start` starts it; --url and CURFEW_URL say where it is.';
  return new ServiceUnavailable(`${service} does not answer${code === undefined ? '' : ` (${code})`}`, advice, cause);
}

function headersOf(call: Call, key: string | undefined): Record<string, string> {
  return {
    accept: 'application/json, application/problem+json',
    'user-agent': `curfew-cli/${VERSION}`,
    ...(call.body !== undefined && { 'content-type': 'application/json' }),
    ...(call.token !== undefined && { authorization: `Bearer ${call.token}` }),
    ...(key !== undefined && { 'idempotency-key': key }),
  };
}

/** The database's time in an answer, where it says so. */
const asOf = (body: unknown): string => String((body as { asOf?: unknown } | null | undefined)?.asOf);

/** No answer, or one that says "not now". */
function isPassing(error: unknown): boolean {
  return error instanceof ServiceUnavailable || (error instanceof ProblemReply && error.kind === 'unavailable');
}

function parsed(text: string, type: string | null): unknown {
  if (type === null || !/^application\/(problem\+)?json\b/.test(type)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemOf(status: number, body: unknown, url: string): Error {
  const problem = body as Partial<ConstructorParameters<typeof ProblemReply>[0]> | undefined;
  if (typeof problem?.title === 'string' && typeof problem.code === 'string')
    return new ProblemReply({ ...problem, title: problem.title, code: problem.code, status });
  const isAway = [502, 503, 504].includes(status);
  const message = `${url} answers with ${status}${isAway ? '' : ', and not like Curfew'}`;
  return new ServiceUnavailable(message, isAway ? 'Try again in a moment.' : 'Check the address: --url, CURFEW_URL.');
}

/** The word for what went wrong with a connection, where there is one. */
function reasonOf(cause: unknown): string | undefined {
  for (let error = cause, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth += 1) {
    if ('code' in error && typeof error.code === 'string') return error.code;
    if (error.name === 'TimeoutError') return `nothing for ${TIMEOUT_MS / 1_000} s`;
  }
  return undefined;
}
