import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
} from 'jose';
import { Provider } from 'oidc-provider';

export const CLIENT = { id: 'curfew', secret: 'a secret that only the two of them know' };

/** A server on the loopback whose inside can be exchanged, and that can go away and come back. */
export class LoopbackServer {
  #server: Server | undefined;
  #port = 0;
  handler: RequestListener = (_request, response) => response.writeHead(404).end();

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => this.handler(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    const address = server.address();
    this.#port = typeof address === 'object' && address ? address.port : 0;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  }
}

/** A real provider as it comes out of the box, with other defaults than the embedded one: RS256, its own pages, groups. */
export async function realProvider(issuer: string): Promise<RequestListener> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: randomUUID(), alg: 'RS256', use: 'sig' }] },
    cookies: { keys: [randomUUID()] },
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
        response_types: [],
        redirect_uris: [],
      },
    ],
    scopes: ['openid', 'profile'],
    claims: { profile: ['name', 'groups'] },
    conformIdTokenClaims: false,
    features: { deviceFlow: { enabled: true } },
    findAccount: (_ctx, subject) => ({
      accountId: subject,
      claims: () => ({ sub: subject, name: `${subject} at a real provider`, groups: ['platform'] }),
    }),
  });
  const callback = provider.callback();
  return (request, response) => void callback(request, response);
}

type Answer = { readonly status: number; readonly body: unknown; readonly headers?: Record<string, string> };

/** An issuer that says what it is told to: what a provider that errs, or somebody in its place, would say. */
export class ForgingIssuer {
  readonly server = new LoopbackServer();
  readonly asked: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  metadata: Record<string, unknown> = {};
  device: Record<string, unknown> = {};
  token: (() => Answer | Promise<Answer>) | undefined;
  keys: JWK[] = [];
  #key: CryptoKey | undefined;
  #kid = '';

  async start(): Promise<this> {
    this.server.handler = (request, response) => void this.#answer(request, response);
    await this.server.start();
    await this.rotate();
    return this;
  }

  /** New keys, and nothing of the old ones. */
  async rotate(): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    this.#kid = randomUUID();
    this.#key = privateKey;
    this.keys = [{ ...(await exportJWK(publicKey)), kid: this.#kid, alg: 'ES256', use: 'sig' }];
  }

  /** An ID token that is right, but for what is changed. */
  async idToken(payload: JWTPayload = {}, header: Partial<JWTHeaderParameters> = {}, key = this.#key): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: this.server.url, aud: CLIENT.id, sub: 'ada', iat: now, exp: now + 300, auth_time: now };
    return new SignJWT({ ...claims, ...payload })
      .setProtectedHeader({ alg: 'ES256', kid: this.#kid, ...header })
      .sign(key as CryptoKey);
  }

  /** What the token endpoint says from now on. */
  says(idToken: string | undefined): void {
    const body = {
      access_token: 'opaque',
      token_type: 'Bearer',
      ...(idToken === undefined ? {} : { id_token: idToken }),
    };
    this.token = () => ({ status: 200, body });
  }

  fails(error: string, status = 400, headers: Record<string, string> = {}): void {
    this.token = () => ({ status, body: { error }, headers });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.asked.push(path);
    if (path === '/token') this.authorizations.push(request.headers.authorization);
    const { url } = this.server;
    const routes: Record<string, () => Answer | Promise<Answer>> = {
      '/.well-known/openid-configuration': () => ({
        status: 200,
        body: {
          issuer: url,
          jwks_uri: `${url}/jwks`,
          token_endpoint: `${url}/token`,
          device_authorization_endpoint: `${url}/device`,
          id_token_signing_alg_values_supported: ['ES256', 'HS256', 'none'],
          ...this.metadata,
        },
      }),
      '/jwks': () => ({ status: 200, body: { keys: this.keys } }),
      '/device': () => ({
        status: 200,
        body: {
          device_code: 'the device code',
          user_code: 'ABCD-EFGH',
          verification_uri: 'https://id.example/device',
          expires_in: 600,
          ...this.device,
        },
      }),
      '/token': () => (this.token ? this.token() : { status: 400, body: { error: 'authorization_pending' } }),
    };
    const { status, body, headers } = (await routes[path]?.()) ?? { status: 404, body: {} };
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  }
}
