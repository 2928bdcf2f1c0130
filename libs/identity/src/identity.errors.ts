import { AppError } from '@app/kernel';

const SIGN_IN = 'Sign in again: `curfew login`.';

/** No such sign-in, or not this client's: nobody learns which. */
export class SignInUnknown extends AppError {
  constructor() {
    super({
      kind: 'not_found',
      code: 'identity.sign_in_unknown',
      message: 'there is no such sign-in',
      advice: SIGN_IN,
    });
  }
}

export class SignInRefused extends AppError {
  constructor() {
    super({
      kind: 'forbidden',
      code: 'identity.sign_in_refused',
      message: 'the sign-in was refused at the provider',
      advice: SIGN_IN,
    });
  }
}

export class SignInLapsed extends AppError {
  constructor() {
    super({
      kind: 'conflict',
      code: 'identity.sign_in_lapsed',
      message: 'nobody confirmed the sign-in in time',
      advice: SIGN_IN,
    });
  }
}

/** The tokens were handed over before. They are handed over once. */
export class SignInCollected extends AppError {
  constructor() {
    super({
      kind: 'conflict',
      code: 'identity.sign_in_collected',
      message: 'the tokens of this sign-in were handed over before',
      advice: SIGN_IN,
    });
  }
}

/** The provider vouched, but for something that does not do. */
export class SignInNotAccepted extends AppError {
  constructor(why: 'too_old' | 'claims' | 'groups_missing' | 'too_many_groups', advice: string) {
    super({
      kind: 'forbidden',
      code: `identity.sign_in_${why}`,
      message: NOT_ACCEPTED[why],
      advice,
    });
  }
}

const NOT_ACCEPTED = {
  too_old: 'the person proved who they are too long ago',
  claims: 'the provider sent a claim that cannot be read',
  groups_missing: 'the provider did not list the groups',
  too_many_groups: 'the provider listed too many groups',
} as const;

/** Anything that is wrong with an access token: nobody learns what. */
export class AccessTokenRefused extends AppError {
  constructor(cause?: unknown) {
    super({
      kind: 'unauthenticated',
      code: 'identity.access_token_refused',
      message: 'the access token is not accepted',
      advice: SIGN_IN,
      cause,
    });
  }
}

/** Unknown, used before, or of a sign-in that has ended: nobody learns which. */
export class RefreshTokenRefused extends AppError {
  constructor() {
    super({
      kind: 'unauthenticated',
      code: 'identity.refresh_token_refused',
      message: 'the refresh token is not accepted',
      advice: SIGN_IN,
    });
  }
}

export class IdentityUnknown extends AppError {
  constructor(identity: string) {
    super({
      kind: 'not_found',
      code: 'identity.unknown',
      message: 'there is no such identity',
      details: { identity },
    });
  }
}
