export { endsMany, type EndedMany, type EndsMany, type ToProve } from './ends-many';
export { PostgresProvider } from './postgres/postgres.provider';
export { postgresConnection, postgresEntitlement } from './postgres/postgres.schemas';
export type { PostgresConnection, PostgresEntitlement } from './postgres/postgres.schemas';
export { grantOfObject, objectName, Provider } from './provider';
export type {
  CheckFinding,
  CheckReport,
  Credential,
  Ended,
  EndingTraits,
  EntitlementConfig,
  Fence,
  GrantRef,
  Issued,
  IssueOrder,
  Leftover,
  Listed,
  Proof,
  ProofCheck,
  TargetAccess,
} from './provider';
export { MalformedGrant, TargetForbidden, TargetInvalid, TargetUnavailable, UnknownProvider } from './provider.errors';
export { ProviderRegistry } from './registry';
export { AddressNotAllowed, TargetNetworks } from './target-networks';
