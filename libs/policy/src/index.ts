export { membersOf, type Approvers, type SeenMembers } from './approvers';
export { assertDecidable, compilePolicies, compilePolicyFiles } from './compile';
export type { Explanation, Outcome, PolicyExplanation } from './explain';
export type {
  ActContext,
  ActFacts,
  ApproveFacts,
  EntitlementFacts,
  InstallationFacts,
  PrincipalFacts,
  RequestContext,
  RequestFacts,
  ResourceFacts,
  TargetFacts,
} from './facts';
export { parseGroups, type Group, type GroupsFile } from './groups';
export { InvalidFacts, PoliciesUnreadable, PolicyInvalid, type PolicyProblem } from './policy.errors';
export type { PolicySet } from './policy-set';
export { readPolicyFiles, type PolicyFiles, type PolicySource } from './policy-source';
export type { SamePeople } from './same-people';
export {
  DEFAULT_MAX_DURATION_SECONDS,
  DEFAULT_PENDING_FOR_SECONDS,
  MAX_PENDING_FOR_SECONDS,
  type Approval,
  type RequestTerms,
} from './rule';
export { ACTIONS, FACT_SOURCES, type Action, type FactSource } from './schema';
export {
  REFUSAL_CODES,
  type PathDescription,
  type Refusal,
  type RefusalCode,
  type RequestPath,
  type RequestVerdict,
  type Verdict,
} from './verdict';
