import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import type { AuthorizationAnswer, DetailedError, PolicyJson, ValidationError } from '@cedar-policy/cedar-wasm/nodejs';
import { SCHEMA } from './schema';

// The one place that calls Cedar. Two things about the WebAssembly build shape it:
// - What is pre-parsed is kept under a name, for ever: see `Slots`.
// - An exception that crosses it leaks its stack, which is never given back: 1,500 of them (a lone surrogate in a name is
//   enough for one) break every later call. So nothing gets there that was not checked before: facts in facts.ts, text
//   in cedar-text.ts. Should it throw all the same, the answer is no.

export type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

const SCHEMA_NAME = 'curfew';

export interface CedarError {
  readonly message: string;
  /** A byte offset into the policy's text. */
  readonly byte: number | undefined;
}

/** Entities and values as data: nothing is ever written into Cedar text. */
export interface CedarRequest {
  readonly principal: cedar.TypeAndId;
  readonly action: cedar.TypeAndId;
  readonly resource: cedar.TypeAndId;
  readonly context: cedar.Context;
  readonly entities: cedar.Entities;
}

/** What Cedar says, with the failures that Cedar itself leaves out of its decision. */
export interface CedarAnswer {
  readonly decision: 'allow' | 'deny';
  /** Allow: all permits that match. Deny: all forbids that match. */
  readonly reason: ReadonlySet<string>;
  /** Policies whose evaluation failed, and how. */
  readonly errors: ReadonlyMap<string, string>;
  /** The evaluation as a whole failed: there is no answer but no. */
  readonly failure?: string;
}

export function parsePolicy(text: string): { json: PolicyJson } | { errors: CedarError[] } {
  const answer = cedar.policyToJson(text);
  return answer.type === 'success' ? { json: answer.json } : { errors: answer.errors.map(toError) };
}

/** How many policies Cedar sees in a text; `undefined` when it does not parse. */
export function countPolicies(text: string): number | undefined {
  const answer = cedar.policySetTextToParts(text);
  return answer.type === 'success' ? answer.policies.length : undefined;
}

/** Strict validation against the schema, by key. Warnings count: a rule that can never apply, look-alike names. */
export function validatePolicies(texts: Readonly<Record<string, string>>): Map<string, CedarError[]> {
  const answer = cedar.validate({
    validationSettings: { mode: 'strict' },
    schema: SCHEMA,
    policies: { staticPolicies: { ...texts } },
  });
  if (answer.type === 'failure') throw new Error(`cedar validates nothing: ${answer.errors[0]?.message ?? ''}`);
  const found = new Map<string, CedarError[]>();
  for (const [id, errors] of byPolicy(answer.validationErrors)) found.set(id, onePerPlace(errors.map(toError)));
  for (const [id, [warning]] of byPolicy(answer.validationWarnings))
    if (warning && !found.has(id)) found.set(id, [toError(warning)]);
  return found;
}

/** Policies in Cedar's memory, under a name of their own, for as long as their holder lives. */
export class PreparsedPolicies {
  readonly #slot: string;

  constructor(texts: ReadonlyMap<string, string>) {
    this.#slot = slots.take(this, Object.fromEntries(texts));
  }

  judge(request: CedarRequest): CedarAnswer {
    return answered(() =>
      cedar.statefulIsAuthorized({
        ...request,
        preparsedSchemaName: SCHEMA_NAME,
        validateRequest: true,
        preparsedPolicySetId: this.#slot,
      }),
    );
  }
}

/** Ten times slower, and keeps nothing: for explanations. */
export function judgeOnce(request: CedarRequest, texts: ReadonlyMap<string, string>): CedarAnswer {
  return answered(() =>
    cedar.isAuthorized({
      ...request,
      schema: SCHEMA,
      validateRequest: true,
      policies: { staticPolicies: Object.fromEntries(texts) },
    }),
  );
}

/** Names are handed out anew once the set that had one is gone: there are never more than sets alive at once. */
class Slots {
  readonly #free: string[] = [];
  #made = 0;
  readonly #returned = new FinalizationRegistry<string>((slot) => {
    cedar.preparsePolicySet(slot, { staticPolicies: {} });
    this.#free.push(slot);
  });

  take(holder: object, staticPolicies: Record<string, string>): string {
    const slot = this.#free.pop() ?? `set-${(this.#made += 1)}`;
    const answer = cedar.preparsePolicySet(slot, { staticPolicies });
    if (answer.type === 'failure') {
      this.#free.push(slot);
      throw new Error(`cedar does not take what it parsed before: ${answer.errors[0]?.message ?? ''}`);
    }
    this.#returned.register(holder, slot);
    return slot;
  }

  /** How many names were ever made. */
  get made(): number {
    return this.#made;
  }
}

export const slots = new Slots();

const schema = cedar.preparseSchema(SCHEMA_NAME, SCHEMA);
if (schema.type === 'failure') throw new Error(`the policy schema is wrong: ${schema.errors[0]?.message ?? ''}`);

function answered(ask: () => AuthorizationAnswer): CedarAnswer {
  try {
    const answer = ask();
    if (answer.type === 'failure') return failed(answer.errors[0]?.message ?? 'no answer');
    const { decision, diagnostics } = answer.response;
    const errors = new Map(diagnostics.errors.map(({ policyId, error }) => [policyId, error.message]));
    return { decision, reason: new Set(diagnostics.reason), errors };
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

function failed(failure: string): CedarAnswer {
  return { decision: 'deny', reason: new Set(), errors: new Map(), failure };
}

function toError(error: DetailedError): CedarError {
  const message = error.message.replace(/^(?:failed to parse policy from string: |for policy `[^`]*`[,:] )/, '');
  const place = error.sourceLocations?.[0];
  const hints = [place?.label, error.help].filter((hint) => hint !== null && hint !== undefined);
  return { message: [message, ...hints].join('; '), byte: place?.start };
}

/** Cedar repeats itself for each action that a policy may be about, in any order. */
function onePerPlace(errors: readonly CedarError[]): CedarError[] {
  const sorted = errors.toSorted((a, b) => (a.message < b.message ? 1 : -1));
  return [...new Map(sorted.map((error) => [error.byte, error])).values()];
}

function byPolicy(errors: readonly ValidationError[]): Map<string, DetailedError[]> {
  const found = new Map<string, DetailedError[]>();
  for (const { policyId, error } of errors) found.set(policyId, [...(found.get(policyId) ?? []), error]);
  return found;
}
