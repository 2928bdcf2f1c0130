import { AppError } from '@app/kernel';

/** The provider does not answer, or not in a way that can be understood. */
export class ProviderUnavailable extends AppError {
  constructor(cause: unknown) {
    super({
      kind: 'unavailable',
      code: 'identity.provider_unavailable',
      message: 'the identity provider does not answer as it should',
      advice: 'Try again in a moment. The log says what was wrong.',
      cause: withoutContent(cause),
    });
  }
}

/** The provider answers, and does not serve us: an operator has something to set right. */
export class ProviderRefusesClient extends AppError {
  constructor(answer: string) {
    super({
      kind: 'unavailable',
      code: 'identity.provider_refuses_client',
      message: "the identity provider refuses Curfew's client",
      advice: 'The client at the provider needs the device authorization grant; check OIDC_CLIENT_ID and its secret.',
      details: { answer },
    });
  }
}

/** What came as a proof proves nothing. */
export class ProofNotAccepted extends AppError {
  constructor(cause: unknown) {
    super({
      kind: 'forbidden',
      code: 'identity.proof_not_accepted',
      message: "the identity provider's token is not accepted",
      advice: 'Sign in again: `curfew login`. If it happens again, the log says what was wrong with the token.',
      cause: withoutContent(cause),
    });
  }
}

/** Rules on the age of a sign-in need an age: when a token was made says nothing about when a password was typed. */
export class AuthTimeMissing extends AppError {
  constructor() {
    super({
      kind: 'forbidden',
      code: 'identity.auth_time_missing',
      message: 'the identity provider does not say when the person signed in',
      advice: 'Let the provider put `auth_time` into the ID tokens of this client.',
    });
  }
}

/** The settings of the sign-in do not do. */
export class SignInSettingsInvalid extends AppError {
  constructor(message: string, advice: string) {
    super({ kind: 'invalid', code: 'identity.settings_invalid', message, advice });
  }
}

/** Name, code and message, of causes too. Foreign errors carry responses, and those carry tokens. */
function withoutContent(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('not an error object');
  const plain = new Error(`${error.name}: ${error.message}`);
  if ('code' in error && typeof error.code === 'string') Object.assign(plain, { code: error.code });
  if (error.cause instanceof Error) plain.cause = withoutContent(error.cause);
  return plain;
}
