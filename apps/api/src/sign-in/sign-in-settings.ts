import type { ConnectionSettings } from '@app/identity';
import type { ApiEnvironment } from '@app/platform';
import type { EmbeddedProvider } from '../demo/embedded-provider';
import type { ClientSettings } from './open-id-provider';
import { isTrustworthy } from './provider-fetch';
import { SignInSettingsInvalid } from './sign-in.errors';

export interface SignInSettings {
  readonly connection: ConnectionSettings;
  readonly client: ClientSettings;
}

type Settings = Pick<
  ApiEnvironment,
  | 'CURFEW_ENV'
  | 'CURFEW_DEMO'
  | 'OIDC_ISSUER'
  | 'OIDC_CLIENT_ID'
  | 'OIDC_CLIENT_SECRET'
  | 'OIDC_CONNECTION'
  | 'OIDC_GROUP_CLAIM'
  | 'OIDC_SCOPE'
>;

/** Whether this process brings its own provider. @throws SignInSettingsInvalid */
export function wantsEmbeddedProvider(
  environment: Pick<Settings, 'CURFEW_ENV' | 'CURFEW_DEMO' | 'OIDC_ISSUER'>,
): boolean {
  const { CURFEW_ENV, CURFEW_DEMO, OIDC_ISSUER } = environment;
  if (CURFEW_DEMO && CURFEW_ENV === 'production')
    throw new SignInSettingsInvalid(
      'CURFEW_ENV=production refuses the demo and the embedded OpenID provider',
      'Leave CURFEW_DEMO away, and set OIDC_ISSUER.',
    );
  return CURFEW_DEMO && OIDC_ISSUER === undefined;
}

/** The one way to sign in that this process offers. @throws SignInSettingsInvalid */
export function signInSettings(environment: Settings, embedded: EmbeddedProvider | undefined): SignInSettings {
  const { OIDC_ISSUER: issuer } = environment;
  if (embedded) {
    const connection = {
      name: 'embedded',
      issuer: trusted(embedded.issuer),
      clientId: embedded.clientId,
      groupClaim: null,
    };
    return { connection, client: { clientSecret: embedded.clientSecret, scope: 'openid profile email' } };
  }
  if (issuer === undefined)
    throw new SignInSettingsInvalid(
      'there is no way to sign in',
      'Set OIDC_ISSUER to your OpenID provider, or CURFEW_DEMO=1 (with CURFEW_ENV=development) to try the embedded one.',
    );
  return {
    connection: {
      name: environment.OIDC_CONNECTION,
      issuer: trusted(issuer),
      clientId: environment.OIDC_CLIENT_ID,
      groupClaim: environment.OIDC_GROUP_CLAIM ?? null,
    },
    client: { clientSecret: environment.OIDC_CLIENT_SECRET, scope: environment.OIDC_SCOPE },
  };
}

function trusted(issuer: string): string {
  if (!isTrustworthy(new URL(issuer)))
    throw new SignInSettingsInvalid(
      'the OpenID provider is not reached by TLS',
      'The issuer must begin with https://; http:// is for a provider on this very machine.',
    );
  return issuer;
}
