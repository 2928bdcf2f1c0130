import { randomBytes, randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { exportJWK, generateKeyPair } from 'jose';
import { interactionPolicy, Provider, type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import { Secret } from '@app/kernel';
import { DemoAccounts } from './demo-accounts';
import { MemoryStore } from './memory-store';
import { deviceFlowPages, renderProblem } from './device-pages';
import { signInRoutes } from './sign-in-routes';

export interface EmbeddedProviderOptions {
  /** `PUBLIC_URL` + `/oidc`: its path is where the provider is mounted. */
  readonly issuer: string;
  /** The installation's id: cookies ignore ports, and two of these must not sign each other's people out. */
  readonly installation: string;
  readonly accounts: DemoAccounts;
  readonly onError: (error: unknown) => void;
}

/** The provider and its one client. */
export interface EmbeddedProvider {
  readonly provider: Provider;
  readonly issuer: string;
  readonly clientId: string;
  /** Made at each start, and known to this process alone. */
  readonly clientSecret: Secret<string>;
}

const CLIENT_ID = 'curfew';
const SHORT_SECONDS = 600;

/**
 * A real OpenID provider with a few local accounts. Its keys, its client's secret and what it remembers live as long as
 * the process: it proves who somebody is at sign-in, and nothing it gave out is asked for again later. Each sign-in asks
 * for the password: several people share one browser here.
 */
export async function createEmbeddedProvider(options: EmbeddedProviderOptions): Promise<EmbeddedProvider> {
  const { issuer, installation, accounts, onError } = options;
  const clientSecret = new Secret(randomBytes(32).toString('base64url'));
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const signingKey = { ...(await exportJWK(privateKey)), kid: randomUUID(), use: 'sig', alg: 'ES256' };
  const mountPath = new URL(issuer).pathname;
  const name = `curfew_${installation.slice(0, 8)}`;
  const provider = new Provider(issuer, {
    ...lifetimes,
    adapter: () => new MemoryStore(),
    jwks: { keys: [signingKey] },
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: clientSecret.reveal(),
        client_name: 'Curfew',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
        response_types: [],
        redirect_uris: [],
        id_token_signed_response_alg: 'ES256',
        require_auth_time: true,
      },
    ],
    cookies: {
      keys: [randomBytes(32).toString('base64url')],
      names: { session: `${name}_session`, interaction: `${name}_sign_in`, resume: `${name}_resume` },
      long: { httpOnly: true, sameSite: 'lax', signed: true, path: mountPath },
      short: { httpOnly: true, sameSite: 'lax', signed: true },
    },
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    scopes: ['openid', 'profile', 'email'],
    // Name and e-mail in the ID token itself: nobody asks a second time.
    conformIdTokenClaims: false,
    responseTypes: ['code', 'none'],
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      deviceFlow: { enabled: true, ...deviceFlowPages(accounts) },
    },
    interactions: { policy: interactionPolicy.base(), url: (_ctx, { uid }) => `${mountPath}/sign-in/${uid}` },
    findAccount: (_ctx, subject) => {
      const account = accounts.find(subject);
      return (
        account && {
          accountId: subject,
          claims: () => ({ sub: subject, name: account.name, email: account.email, email_verified: true }),
        }
      );
    },
    loadExistingGrant: everythingAskedFor,
    clientBasedCORS: () => false,
    expiresWithSession: () => false,
    issueRefreshToken: () => false,
    renderError: renderProblem,
  });
  // What Koa itself reports; it prints to the terminal when nobody listens.
  (provider as EventEmitter).on('error', onError);
  provider.on('server_error', (_ctx, error) => onError(error));
  provider.use(signInRoutes(provider, accounts));
  return { provider, issuer, clientId: CLIENT_ID, clientSecret };
}

const lifetimes: Pick<Configuration, 'ttl'> = {
  ttl: {
    AccessToken: 60,
    DeviceCode: SHORT_SECONDS,
    Grant: SHORT_SECONDS,
    IdToken: 300,
    Interaction: SHORT_SECONDS,
    Session: SHORT_SECONDS,
  },
};

/** The only client is Curfew itself: there is nothing to consent to. */
async function everythingAskedFor(ctx: KoaContextWithOIDC) {
  const { provider, client, account } = ctx.oidc;
  if (!client || !account) return undefined;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId });
  grant.addOIDCScope('openid profile email');
  await grant.save();
  return grant;
}
