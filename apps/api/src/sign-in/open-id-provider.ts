import * as openid from 'openid-client';
import { Clock, Secret, type AppError } from '@app/kernel';
import { IdentityProvider, type Connection, type DeviceAuthorization, type Redemption } from '@app/identity';
import { IdTokens, type KeyCacheOptions } from './id-tokens';
import { isLoopback, isTrustworthy, providerFetch } from './provider-fetch';
import { ProviderRefusesClient, ProviderUnavailable, ProofNotAccepted } from './sign-in.errors';

export interface ClientSettings {
  readonly clientSecret?: Secret<string> | undefined;
  readonly scope: string;
}

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

/** What the provider says about itself is read again after this long. */
const DISCOVERED_FOR_MS = 600_000;

/** OpenID client libraries judge by the process' own clock; the times of an ID token are judged in `IdTokens`, by ours. */
const ANY_TIME_SECONDS = 10 * 365 * 86_400;

/** RFC 8628, section 3.5, and RFC 6749, section 5.2. `invalid_grant`: the provider has forgotten the code. */
const ANSWERS: Readonly<Record<string, 'pending' | 'slow_down' | 'refused' | 'lapsed'>> = {
  authorization_pending: 'pending',
  slow_down: 'slow_down',
  access_denied: 'refused',
  expired_token: 'lapsed',
  invalid_grant: 'lapsed',
};
const TRY_LATER = new Set(['temporarily_unavailable', 'server_error']);

/** Errors of an answer that came and was read: the code is used up. Everything else is an answer that did not come. */
const ABOUT_ANSWER = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_PARSE_ERROR',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
]);

/** Any OpenID provider with the device authorization grant. Discovery is lazy: the provider may start after us. */
export class OpenIdProvider extends IdentityProvider {
  readonly #idTokens: IdTokens;
  #discovered: { readonly configuration: openid.Configuration; readonly atMs: number } | undefined;
  #discovering: Promise<openid.Configuration> | undefined;

  constructor(
    readonly connection: Connection,
    private readonly client: ClientSettings,
    clock: Clock,
    keyCache: KeyCacheOptions = { maxAgeSeconds: 600, cooldownSeconds: 10 },
  ) {
    super();
    this.#idTokens = new IdTokens(clock, keyCache);
  }

  async begin({ maxAgeSeconds }: { maxAgeSeconds: number }): Promise<DeviceAuthorization> {
    const configuration = await this.#configuration();
    try {
      const answer = await openid.initiateDeviceAuthorization(configuration, {
        scope: this.client.scope,
        // OpenID Connect Core 1.0, section 3.1.2.1: with `max_age`, the ID token has `auth_time`.
        max_age: String(maxAgeSeconds),
      });
      return {
        deviceCode: new Secret(answer.device_code),
        userCode: shown(answer.user_code),
        verificationUri: openable(answer.verification_uri),
        verificationUriComplete:
          answer.verification_uri_complete === undefined ? undefined : openable(answer.verification_uri_complete),
        intervalSeconds: answer.interval ?? 5,
        expiresInSeconds: answer.expires_in,
      };
    } catch (error) {
      throw failure(error);
    }
  }

  async redeem(deviceCode: Secret<string>): Promise<Redemption> {
    const configuration = await this.#configuration();
    let idToken: string | undefined;
    try {
      const answer = await openid.genericGrantRequest(configuration, DEVICE_CODE, { device_code: deviceCode.reveal() });
      idToken = answer.id_token;
    } catch (error) {
      const outcome = error instanceof openid.ResponseBodyError ? ANSWERS[error.error] : undefined;
      if (outcome) return { outcome };
      if (error instanceof openid.ClientError && ABOUT_ANSWER.has(error.code ?? ''))
        return { outcome: 'unproven', error: new ProofNotAccepted(error) };
      throw failure(error);
    }
    return this.#prove(configuration, idToken);
  }

  /** Asks anew, whatever is known. */
  async reach(): Promise<void> {
    await this.#discoverOnce();
  }

  async #prove(configuration: openid.Configuration, idToken: string | undefined): Promise<Redemption> {
    if (idToken === undefined)
      return { outcome: 'unproven', error: new ProofNotAccepted(new Error('there is no ID token')) };
    const { issuer, jwks_uri: keys } = configuration.serverMetadata();
    if (keys === undefined) return { outcome: 'unproven', error: new ProviderUnavailable(new Error('no jwks_uri')) };
    const proof = await this.#idTokens.verify(idToken, { issuer, audience: this.connection.clientId, keys });
    return proof instanceof Error ? { outcome: 'unproven', error: proof } : { outcome: 'proven', proof };
  }

  async #configuration(): Promise<openid.Configuration> {
    const known = this.#discovered;
    if (known && performance.now() - known.atMs < DISCOVERED_FOR_MS) return known.configuration;
    return this.#discoverOnce();
  }

  /** Once for all who want it at the same time. */
  #discoverOnce(): Promise<openid.Configuration> {
    return (this.#discovering ??= this.#discover().finally(() => (this.#discovering = undefined)));
  }

  async #discover(): Promise<openid.Configuration> {
    const issuer = new URL(this.connection.issuer);
    const insecure = issuer.protocol === 'http:' && isLoopback(issuer);
    try {
      const configuration = await openid.discovery(
        issuer,
        this.connection.clientId,
        { [openid.clockTolerance]: ANY_TIME_SECONDS },
        authentication(this.client.clientSecret),
        {
          [openid.customFetch]: (url, options) => providerFetch(url, options as RequestInit),
          ...(insecure ? { execute: [openid.allowInsecureRequests] } : {}),
        },
      );
      this.#discovered = { configuration, atMs: performance.now() };
      return configuration;
    } catch (error) {
      throw new ProviderUnavailable(error);
    }
  }
}

/** A secret is sent the way the provider takes it; `client_secret_basic` where it does not say (OpenID Discovery 1.0, section 3). */
function authentication(secret: Secret<string> | undefined): openid.ClientAuth {
  if (!secret) return openid.None();
  const basic = openid.ClientSecretBasic(secret.reveal());
  const post = openid.ClientSecretPost(secret.reveal());
  return (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return (methods.includes('client_secret_basic') ? basic : post)(server, ...rest);
  };
}

function failure(error: unknown): AppError {
  if (error instanceof ProviderUnavailable) return error;
  const refusal = refusalIn(error);
  return refusal === undefined ? new ProviderUnavailable(error) : new ProviderRefusesClient(refusal);
}

/** The word with which the provider says that it will not serve us, now or later. */
function refusalIn(error: unknown): string | undefined {
  if (error instanceof openid.WWWAuthenticateChallengeError) return 'invalid_client';
  if (error instanceof openid.ClientError && error.code === 'OAUTH_MISSING_SERVER_METADATA') return 'no_device_flow';
  const answered = error instanceof openid.ResponseBodyError && !TRY_LATER.has(error.error);
  return answered && /^[\x21-\x7e]{1,64}$/.test(error.error) ? error.error : undefined;
}

/** People read it from a terminal: printable ASCII. */
function shown(userCode: string): string {
  if (!/^[\x21-\x7e]{1,64}$/.test(userCode)) throw new ProviderUnavailable(new Error('the user code is not readable'));
  return userCode;
}

/** A browser is sent there. */
function openable(uri: string): string {
  const url = URL.canParse(uri) && uri.length <= 2_048 ? new URL(uri) : undefined;
  if (!url || !isTrustworthy(url)) throw new ProviderUnavailable(new Error('the verification address is not safe'));
  return url.href;
}
