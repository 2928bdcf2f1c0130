// What the service answers, as far as the command line reads it. Times are RFC 3339.

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor?: string;
}

export interface Person {
  readonly id: string;
  readonly name: string;
}

export interface BegunSignIn {
  readonly id: string;
  readonly handle: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete?: string;
  readonly intervalSeconds: number;
  readonly expiresInSeconds: number;
}

export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface EndingTraits {
  readonly enforcedBy: 'target' | 'curfew' | 'both';
  readonly endsLiveSessions: boolean;
  readonly outlivesBySeconds: number;
}

export type Approval = 'none' | { readonly count: number; readonly group: string };

export interface Path {
  readonly policy: string;
  readonly description?: string;
  readonly approval: Approval;
  readonly maxDurationSeconds: number;
  readonly pendingForSeconds: number;
  readonly needsSignIn: boolean;
  readonly approvers?: { readonly count: number; readonly group: string; readonly known?: readonly string[] };
}

export interface Target {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly owner: string;
  readonly ending: EndingTraits;
  readonly entitlements: readonly { readonly name: string; readonly paths: readonly Path[] }[];
  readonly connection: Readonly<Record<string, unknown>> | null;
}

export interface CheckReport {
  readonly ok: boolean;
  readonly version?: string;
  readonly findings: readonly {
    readonly kind: 'missing' | 'excess' | 'wrong' | 'notice';
    readonly message: string;
    readonly sql?: readonly string[];
    readonly database?: string;
    readonly remedy?: string;
  }[];
}

/** What bears our name at a target and belongs to no grant. */
export interface Stray {
  readonly id: string;
  readonly name: string;
  readonly grantId: string;
  readonly state: 'found' | 'removing' | 'removed' | 'cleared';
  readonly foundAt: string;
  readonly removeAt: string;
  readonly removedAt: string | null;
  readonly clearedAt: string | null;
  /** A code. */
  readonly failure: string | null;
}

export interface Strays {
  readonly surveyedAt: string | null;
  readonly items: readonly Stray[];
}

export const REQUEST_STATES = ['pending', 'approved', 'denied', 'withdrawn', 'lapsed'] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

export interface AccessRequest {
  readonly id: string;
  readonly state: RequestState;
  readonly requester: Person;
  readonly entitlements: readonly string[];
  readonly durationSeconds: number;
  readonly reason: string | null;
  readonly scopeHash: string;
  readonly policyVersion: string;
  readonly createdAt: string;
  readonly lapsesAt: string;
  readonly decidedAt: string | null;
  readonly paths: readonly {
    readonly entitlement: string;
    readonly policy: string;
    readonly approvalsNeeded: number;
    readonly approverGroup: string | null;
  }[];
  /** By the target's name. */
  readonly endings: Readonly<Record<string, EndingTraits>>;
  readonly decisions: readonly {
    readonly by: Person | null;
    readonly verdict: string;
    readonly at: string;
    readonly policies: readonly string[];
  }[];
  readonly grants: readonly { readonly id: string; readonly state: string; readonly entitlement: string }[];
}

export const GRANT_STATES = ['scheduled', 'activating', 'active', 'ending', 'stuck', 'ended'] as const;
export type GrantState = (typeof GRANT_STATES)[number];

/** Its end is decided: what it handed over is of no use any more. */
export const isOver = (state: string): boolean => state === 'ending' || state === 'stuck' || state === 'ended';

export interface Grant {
  readonly id: string;
  readonly requestId: string;
  readonly holder: Person;
  readonly entitlement: string;
  readonly state: GrantState;
  readonly durationSeconds: number;
  readonly activateBy: string;
  readonly endsAt: string;
  readonly createdAt: string;
  readonly activatedAt: string | null;
  readonly endingAt: string | null;
  readonly endReason: string | null;
  readonly stuckAt: string | null;
  readonly endedAt: string | null;
  readonly failure: string | null;
  readonly lateMs: number | null;
  readonly ending: EndingTraits;
  readonly leftovers: readonly { readonly what: string; readonly why: string }[];
  readonly credential: {
    readonly version: number;
    readonly state: string;
    readonly pickedUpAt: string | null;
    readonly pickedUpFrom: string | null;
    /** How often somebody came second, to any version; an older service does not say. */
    readonly refusedPickUps?: number;
  } | null;
}

export interface Evidence {
  readonly kind: 'issue' | 'end' | 'proof' | 'tidy';
  readonly at: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Work at the target that did not go through, and is tried again. */
export interface Retry {
  readonly kind: 'begin' | 'end' | 'tidy' | 'replace';
  /** How often it was tried, or is being tried now. */
  readonly attempts: number;
  /** A code. */
  readonly failure: string;
  /** `null` while it is being tried. */
  readonly nextAt: string | null;
}

/** What an end that is not proven yet has come to. */
export interface LastAttempt {
  readonly at: string;
  /** What was done, in all attempts so far. */
  readonly steps: readonly string[];
  /** What was seen in the last one. */
  readonly checks: readonly ProofCheck[];
}

export interface ProofCheck {
  readonly check: string;
  readonly verdict: 'ended' | 'alive' | 'unknown';
  readonly answer: string;
}

export interface GrantLife extends Grant {
  readonly evidence: readonly Evidence[];
  readonly retry: Retry | null;
  readonly lastAttempt: LastAttempt | null;
  /** The database's time when this was seen. */
  readonly asOf: string;
}

export interface PickedUp {
  readonly fields: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  /** What the client wants as a file: variable → content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly endsAt: string;
}

export interface PolicyProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface PolicyCheck {
  readonly ok: boolean;
  readonly version?: string;
  readonly problems: readonly PolicyProblem[];
}

export interface Explanation {
  readonly version: string;
  readonly verdict:
    | { readonly allowed: true; readonly paths: readonly { readonly policy: string; readonly approval: Approval }[] }
    | { readonly allowed: false; readonly refusal: { readonly message: string; readonly advice?: string } };
  readonly policies: readonly {
    readonly policy: string;
    readonly file: string;
    readonly line: number;
    readonly effect: 'permit' | 'forbid';
    readonly description?: string;
    readonly outcome: 'matches' | 'scope' | 'condition' | 'error';
    readonly because?: string;
    readonly error?: string;
    readonly terms?: { readonly approval: Approval; readonly maxDurationSeconds: number };
    readonly tooLong?: boolean;
  }[];
}

export interface AuditEvent {
  readonly id: string;
  readonly leafHash: string;
  readonly members: Readonly<Record<string, string>>;
  readonly opened: Readonly<Record<string, string>>;
}
