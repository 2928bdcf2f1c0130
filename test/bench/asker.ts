import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { ticks } from '../../scripts/waiting';
import type { Login } from '../../scripts/demo/database-session';
import type { RunningService } from '../support/service';

const TOKEN_MS = 8 * 60_000;
const ANSWER_MS = 30_000;
const POLL_MS = 3;

/** Lets everybody have everything at the demo's database without an approval. */
export const FREE_POLICY = `@id("bench") @approval("none") @maxDuration("1h")
permit (principal, action == Action::"request", resource in Target::"orders-db");
`;

/** Somebody who asks for access and uses it, over connections that stay open. */
export class Asker {
  readonly #agent = new Agent({ keepAlive: true });
  #token = '';
  #tokenSince = Number.NEGATIVE_INFINITY;
  #signingIn: Promise<unknown> | undefined;

  constructor(
    private readonly service: RunningService,
    private readonly name: string,
  ) {}

  /** Takes a new token when the old one will be over soon: before what is measured. */
  async signIn(): Promise<void> {
    if (ticks() - this.#tokenSince < TOKEN_MS) return;
    this.#signingIn ??= this.service.person(this.name).finally(() => (this.#signingIn = undefined));
    await this.#signingIn;
    this.#token = this.service.accessToken(this.name);
    this.#tokenSince = ticks();
  }

  /** @throws for a refusal, and when there is no answer */
  send<T>(path: string, body?: object): Promise<T> {
    const text = body && JSON.stringify(body);
    return new Promise<T>((resolve, reject) => {
      const sent = request(
        this.service.url + path,
        {
          method: text === undefined ? 'GET' : 'POST',
          agent: this.#agent,
          timeout: ANSWER_MS,
          headers: {
            authorization: `Bearer ${this.#token}`,
            ...(text !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(text),
            }),
          },
        },
        (answer) => {
          let said = '';
          answer.setEncoding('utf8').on('data', (part: string) => (said += part));
          answer.once('error', reject).once('end', () => {
            if ((answer.statusCode ?? 500) >= 400) reject(new Error(`${path}: ${answer.statusCode} ${said}`));
            else resolve(JSON.parse(said) as T);
          });
        },
      );
      sent.once('timeout', () => sent.destroy(new Error(`${path}: no answer`))).once('error', reject);
      sent.end(text);
    });
  }

  /** @returns the grant's id */
  async ask(durationSeconds = 3_600): Promise<string> {
    const order = { entitlements: ['orders-db/read'], durationSeconds, reason: 'a measurement' };
    const { grants } = await this.send<{ grants: { id: string }[] }>('/v1/requests', order);
    return grants[0]!.id;
  }

  /** Asks until the credential can be picked up, and picks it up. @throws when it takes too long */
  async inHand(grant: string, withinMs = 10_000): Promise<Login> {
    const until = ticks() + withinMs;
    for (;;) {
      const { state } = await this.send<{ state: string }>(`/v1/grants/${grant}`);
      if (state === 'active') break;
      if (ticks() > until) throw new Error(`the grant is ${state}`);
      await pause(POLL_MS);
    }
    const { fields } = await this.send<{ fields: Record<string, string> }>(`/v1/grants/${grant}/credential`, {});
    const { host = '', port, database = '', username = '', password = '' } = fields;
    return { host, port: Number(port), database, user: username, password };
  }

  release(grant: string): Promise<unknown> {
    return this.send(`/v1/grants/${grant}/release`, {});
  }

  close(): void {
    this.#agent.destroy();
  }
}
