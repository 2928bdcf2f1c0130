import type { PolicyProblem } from './policy.errors';
import type { PolicySource } from './policy-source';

export interface Token {
  readonly text: string;
  /** Where it begins in the policy's text. */
  readonly at: number;
}

/** One policy as it stands in its file, from its first annotation to its semicolon. */
export interface PolicyText {
  readonly file: string;
  /** The line of its first token in the file. */
  readonly line: number;
  readonly text: string;
  readonly tokens: readonly Token[];
}

// Cedar's parser and evaluator recurse, on a stack of fixed size; overflowing it wrecks the WebAssembly instance for
// every policy set in the process (measured with 4.13: 130 brackets, or 500 operators in a row). So nothing deep ever
// gets there. Lists are not deep: commas are free.
export const MAX_NESTING = 20;
export const MAX_OPERATORS = 100;

const TOKEN = /"(?:\\[^]|[^"\\])*"|[_a-zA-Z]\w*|[0-9]+|::|&&|\|\||[=!<>]=|[^]/gu;
const BLANK = /(?:\s|\/\/[^\n\r]*)+/uy;
const OPERATORS = new Set('&& || == != < <= > >= + - * ! . if then else in has like is when unless'.split(' '));

/**
 * Cuts a file at the semicolons that end its policies. Cedar can do that too, but forgets where in the file each began.
 * Whatever is cut wrongly, because the text is no Cedar, does not parse afterwards.
 */
export function splitPolicies({ file, text }: PolicySource): PolicyText[] {
  const policies: PolicyText[] = [];
  let tokens: Token[] = [];
  const cut = () => {
    const [first, last] = [tokens[0], tokens.at(-1)];
    if (!first || !last) return;
    policies.push({
      file,
      line: lineAt(text, first.at),
      text: text.slice(first.at, last.at + last.text.length),
      tokens: tokens.map((token) => ({ text: token.text, at: token.at - first.at })),
    });
    tokens = [];
  };
  for (const token of tokenize(text)) {
    tokens.push(token);
    if (token.text === ';') cut();
  }
  cut();
  return policies;
}

function* tokenize(text: string): Generator<Token> {
  let at = 0;
  while (at < text.length) {
    BLANK.lastIndex = at;
    at += BLANK.exec(text)?.[0].length ?? 0;
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text)?.[0];
    if (found === undefined) return;
    yield { text: found, at };
    at += found.length;
  }
}

/** Why Cedar must not even see this policy, or nothing. */
export function tooComplex(policy: PolicyText): PolicyProblem | undefined {
  let depth = 0;
  let operators = 0;
  for (const token of policy.tokens) {
    if ('([{'.includes(token.text)) depth += 1;
    if (')]}'.includes(token.text)) depth -= 1;
    if (OPERATORS.has(token.text)) operators += 1;
    if (depth > MAX_NESTING || operators > MAX_OPERATORS) {
      const message = `a policy has at most ${MAX_NESTING} nested brackets and ${MAX_OPERATORS} operators: split it`;
      return problemAt(policy, message, token.at);
    }
  }
  return undefined;
}

/** A problem at a place in the policy's text; at its first line when the place is not known. */
export function problemAt(policy: PolicyText, message: string, at = 0): PolicyProblem {
  return { file: policy.file, line: policy.line + lineAt(policy.text, at) - 1, message };
}

/** Cedar counts in bytes of UTF-8. */
export function fromByteOffset(text: string, bytes: number): number {
  return Buffer.from(text, 'utf8').subarray(0, bytes).toString('utf8').length;
}

/** From the text: Cedar's JSON loses a name such as `__proto__`. */
export function annotationNames({ tokens }: PolicyText): string[] {
  return tokens.flatMap(({ text }, i) => (text === '@' ? [tokens[i + 1]?.text ?? ''] : []));
}

/** Where an annotation stands. */
export function annotationAt(policy: PolicyText, name: string): number {
  const { tokens } = policy;
  const index = tokens.findIndex((token, i) => token.text === '@' && tokens[i + 1]?.text === name);
  return tokens[index]?.at ?? 0;
}

/** Where an entity (`Group::"x"`) is named; 0 when it is written in a way that only Cedar understands. */
export function entityAt(policy: PolicyText, type: string, id: string): number {
  const { tokens } = policy;
  const name = JSON.stringify(id);
  const index = tokens.findIndex(
    ({ text }, i) => text === type && tokens[i + 1]?.text === '::' && tokens[i + 2]?.text === name,
  );
  return tokens[index]?.at ?? 0;
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}
