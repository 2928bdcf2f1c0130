export { ACCESS_TOKEN_SECONDS, AccessTokens, type AccessClaims } from './access-tokens.service';
export { Callers, type Caller } from './callers.service';
export { Connection } from './connection.entity';
export { Connections, type ConnectionSettings } from './connections.service';
export {
  countsAs,
  knownMembers,
  namesOf,
  peopleOf,
  personOf,
  seenInGroups,
  sharedAccounts,
  type Account,
  type ClaimedGroup,
  type KnownMember,
  type Person,
} from './directory';
export { identityEntities } from './entities';
export { GROUP_SOURCES, GroupMember, type GroupSource } from './group-member.entity';
export { replaceFileGroups, type FileMember } from './group-members';
export { Identities } from './identities.service';
export { Identity, IDENTITY_KINDS, type IdentityKind } from './identity.entity';
export {
  AccessTokenRefused,
  IdentityUnknown,
  RefreshTokenRefused,
  SignInCollected,
  SignInLapsed,
  SignInNotAccepted,
  SignInRefused,
  SignInUnknown,
} from './identity.errors';
export {
  IdentityProvider,
  PROVIDER_ANSWERS_WITHIN_SECONDS,
  type DeviceAuthorization,
  type Proof,
  type Redemption,
} from './identity-provider';
export { installationId } from './installation';
export { PendingSignIns } from './pending-sign-ins';
export { RefreshToken } from './refresh-token.entity';
export { SignIn } from './sign-in.entity';
export {
  SIGN_IN_END_REASONS,
  signInMachine,
  type SignInEndReason,
  type SignInEvent,
  type SignInState,
} from './sign-in.machine';
export { SignIns, type BegunSignIn, type Collected } from './sign-ins.service';
export { SigningKey } from './signing-key.entity';
export { SigningKeys } from './signing-keys.service';
export { Tokens, type Family, type TokenPair } from './tokens.service';
export type { Transact } from './transact';
export { linksAmong, peopleAmong, type Link } from './same-person';
