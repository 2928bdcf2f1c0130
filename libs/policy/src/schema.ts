/**
 * What policies can speak of. Fixed: a deployment writes policies, not schemas, so that the code that asks and the files
 * that answer cannot drift apart.
 *
 * Every action's context has the sign-in age, so that one `forbid` on all actions can ask for a fresh sign-in.
 */
export const SCHEMA = `
entity Group;

entity Human in [Group] = {
  "connection": String,
  "subject": String,
};

entity Target = {
  "kind": String,
  "owner": Group,
};

entity Entitlement in [Target] = {
  "name": String,
  "kind": String,
  "owner": Group,
};

entity Installation enum ["curfew"];

type Asking = {
  "signInAgeSeconds": Long,
  "durationSeconds": Long,
  "clientAddress"?: ipaddr,
};

type Acting = {
  "signInAgeSeconds": Long,
  "clientAddress"?: ipaddr,
};

action "request", "approve" appliesTo { principal: [Human], resource: [Entitlement], context: Asking };
action "revoke" appliesTo { principal: [Human], resource: [Entitlement], context: Acting };
action "administer" appliesTo { principal: [Human], resource: [Target, Installation], context: Acting };
action "audit" appliesTo { principal: [Human], resource: [Installation], context: Acting };
`;

export const INSTALLATION = 'curfew';

/** Which kinds of resource an action is about: the schema's `appliesTo`, for the code. */
export const ACTIONS = {
  request: ['entitlement'],
  approve: ['entitlement'],
  revoke: ['entitlement'],
  administer: ['target', 'installation'],
  audit: ['installation'],
} as const;

export type Action = keyof typeof ACTIONS;

/**
 * `asked`: recorded with the request, and used again whenever it is judged again.
 * `live`: read anew each time.
 */
export type FactSource = 'asked' | 'live';

/** Where each fact comes from that a policy can name, by the name policies use. */
export const FACT_SOURCES = {
  'context.signInAgeSeconds': 'asked',
  'context.durationSeconds': 'asked',
  'context.clientAddress': 'asked',
  'principal.connection': 'live',
  'principal.subject': 'live',
  'principal in Group': 'live',
  'resource.name': 'live',
  'resource.kind': 'live',
  'resource.owner': 'live',
  'resource in Target': 'live',
} as const satisfies Record<string, FactSource>;

/** The facts that may be missing; all others are always there. */
export const OPTIONAL_FACTS: ReadonlySet<string> = new Set(['context.clientAddress']);
