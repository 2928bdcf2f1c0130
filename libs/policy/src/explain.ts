import type { Approvers } from './approvers';
import { judgeOnce, type CedarAnswer } from './cedar';
import type { Token } from './cedar-text';
import { toCedarRequest } from './entities';
import type { RequestFacts } from './facts';
import { approversOf, judgeRequest, type Rulebook } from './request-judge';
import type { RequestTerms, Rule } from './rule';
import type { RequestVerdict } from './verdict';

/**
 * `matches`: it counts. `scope`: it is not about this principal, action or resource. `condition`: one of its conditions
 * does not hold. `error`: one could not be evaluated.
 */
export type Outcome = 'matches' | 'scope' | 'condition' | 'error';

export interface PolicyExplanation {
  readonly policy: string;
  readonly file: string;
  readonly line: number;
  readonly effect: 'permit' | 'forbid';
  readonly description?: string;
  readonly outcome: Outcome;
  /** The part of its text that decided against it. */
  readonly because?: string;
  /** Cedar's words, when it could not be evaluated. */
  readonly error?: string;
  readonly terms?: RequestTerms;
  /** Its `@maxDuration` is below what is asked. */
  readonly tooLong?: boolean;
  /** Who would decide; absent when nobody needs to. */
  readonly approvers?: Approvers;
}

export interface Explanation {
  /** The policy set's. */
  readonly version: string;
  readonly verdict: RequestVerdict;
  /** All policies, in the order of the files. */
  readonly policies: readonly PolicyExplanation[];
}

/** A policy taken apart, in its own words. */
interface Parts {
  readonly scope: readonly string[];
  readonly conditions: readonly string[];
}

export function explainRequest(book: Rulebook & { readonly version: string }, facts: RequestFacts): Explanation {
  const parts = book.rules.map(takeApart);
  const answer = judgeOnce(toCedarRequest('request', facts, book.groups), probes(parts));
  return {
    version: book.version,
    verdict: judgeRequest(book, facts),
    policies: book.rules.map((rule, index) => ({
      policy: rule.id,
      file: rule.source.file,
      line: rule.source.line,
      effect: rule.effect,
      ...(rule.description !== undefined && { description: rule.description }),
      ...outcomeOf(parts[index] ?? { scope: [], conditions: [] }, index, answer),
      ...termsOf(book, rule, facts),
    })),
  };
}

/** One small permit for each part, so that a single evaluation says which parts hold. */
function probes(parts: readonly Parts[]): Map<string, string> {
  const texts = new Map<string, string>();
  parts.forEach(({ scope, conditions }, rule) => {
    scope.forEach((part, i) => {
      const whole = ['principal', 'action', 'resource'].with(i, part);
      texts.set(`${rule}/scope/${i}`, `permit (${whole.join('\n,')}\n);`);
    });
    conditions.forEach((part, i) => {
      texts.set(`${rule}/condition/${i}`, `permit (principal, action, resource) ${part}\n;`);
    });
  });
  return texts;
}

function outcomeOf(
  { scope, conditions }: Parts,
  rule: number,
  answer: CedarAnswer,
): Pick<PolicyExplanation, 'outcome' | 'because' | 'error'> {
  if (answer.failure !== undefined) return { outcome: 'error', error: answer.failure };
  for (const [i, because] of scope.entries())
    if (!answer.reason.has(`${rule}/scope/${i}`)) return { outcome: 'scope', because };
  for (const [i, because] of conditions.entries()) {
    const error = answer.errors.get(`${rule}/condition/${i}`);
    if (error !== undefined) return { outcome: 'error', because, error };
    if (!answer.reason.has(`${rule}/condition/${i}`)) return { outcome: 'condition', because };
  }
  return { outcome: 'matches' };
}

function termsOf(
  book: Rulebook,
  { terms }: Rule,
  facts: RequestFacts,
): Pick<PolicyExplanation, 'terms' | 'tooLong' | 'approvers'> {
  if (!terms) return {};
  const approvers = approversOf(book, facts, terms);
  const tooLong = terms.maxDurationSeconds < facts.context.durationSeconds;
  return { terms, tooLong, ...(approvers && { approvers }) };
}

/** The three parts of the scope and each condition, in the policy's own words. Only for text that Cedar has parsed. */
function takeApart({ source: { text, tokens } }: Rule): Parts {
  const effect = tokens.findIndex(({ text: word }, i) => EFFECTS.has(word) && tokens[i - 1]?.text !== '@');
  const body = withDepth(tokens.slice(effect + 1, -1));
  const scopeEnd = body.findIndex((token) => token.depth === 0 && token.text === ')');
  const textOf = (part: readonly Token[]) => {
    const [first, last] = [part[0], part.at(-1)];
    return first && last ? [text.slice(first.at, last.at + last.text.length)] : [];
  };
  const isComma = (token: DeepToken) => token.depth === 1 && token.text === ',';
  const isEnd = (token: DeepToken) => token.depth === 0 && token.text === '}';
  return {
    scope: chunks(body.slice(1, scopeEnd), isComma).flatMap((part) => textOf(part.filter((token) => !isComma(token)))),
    conditions: chunks(body.slice(scopeEnd + 1), isEnd).flatMap(textOf),
  };
}

const EFFECTS = new Set(['permit', 'forbid']);

interface DeepToken extends Token {
  /** How many brackets are open round it; a pair of brackets is as deep as what it stands in. */
  readonly depth: number;
}

function withDepth(tokens: readonly Token[]): DeepToken[] {
  let depth = 0;
  return tokens.map((token) => {
    if (')]}'.includes(token.text)) depth -= 1;
    const deep = { ...token, depth };
    if ('([{'.includes(token.text)) depth += 1;
    return deep;
  });
}

/** Cuts after each token that ends a chunk. */
function chunks(tokens: readonly DeepToken[], ends: (token: DeepToken) => boolean): DeepToken[][] {
  const found: DeepToken[][] = [[]];
  for (const token of tokens) {
    found.at(-1)?.push(token);
    if (ends(token)) found.push([]);
  }
  return found;
}
