import type { Approvers } from './approvers';
import type { RequestTerms } from './rule';

/** Why not, and what would help. Codes never change. */
export interface Refusal {
  readonly code: RefusalCode;
  /** For the person who asked: names the rule. */
  readonly message: string;
  /** What would help, where anything would. */
  readonly advice?: string;
  /** The `@id`s of the policies that this is about. */
  readonly policies: readonly string[];
}

export const REFUSAL_CODES = [
  'policy.no_rule',
  'policy.forbidden',
  'policy.too_long',
  'policy.sign_in_too_old',
  'policy.nobody_can_decide',
  'policy.self_approval',
  'policy.not_an_approver',
  'policy.evaluation_failed',
] as const;

export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** One way to a yes, from one permit. */
export interface RequestPath extends RequestTerms {
  /** The permit's `@id`. */
  readonly policy: string;
}

export type RequestVerdict =
  | {
      readonly allowed: true;
      /** Never empty; in the order of the files. The first that is satisfied approves. */
      readonly paths: readonly RequestPath[];
    }
  | { readonly allowed: false; readonly paths: readonly []; readonly refusal: Refusal };

export type Verdict =
  | { readonly allowed: true; readonly policies: readonly string[] }
  | { readonly allowed: false; readonly refusal: Refusal };

/** A path as it is shown to somebody who has not asked yet. */
export interface PathDescription extends RequestPath {
  readonly description?: string;
  /** Absent when nobody needs to approve. */
  readonly approvers?: Approvers;
  /** It opens after a fresh sign-in only. */
  readonly needsSignIn: boolean;
}
