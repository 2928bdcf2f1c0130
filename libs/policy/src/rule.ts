import { AppError, formatDuration, parseDuration } from '@app/kernel';
import { annotationAt, annotationNames, fromByteOffset, problemAt, type PolicyText } from './cedar-text';
import { parsePolicy, type PolicyJson } from './cedar';
import { expressionsOf, mentionsIn, type Expression, type Mentions } from './expression';
import type { PolicyProblem } from './policy.errors';
import { ACTIONS, type Action } from './schema';

/** So many different people out of a group. */
export interface Committee {
  readonly count: number;
  readonly group: string;
}

/** Who must agree. */
export type Approval = 'none' | Committee;

/** What a permit on `request` allows, and what it asks for. */
export interface RequestTerms {
  readonly approval: Approval;
  readonly maxDurationSeconds: number;
  /** How long a request waits for a decision before it lapses. */
  readonly pendingForSeconds: number;
}

/** One policy, with what its annotations say. */
export interface Rule {
  readonly id: string;
  readonly source: PolicyText;
  readonly json: PolicyJson;
  readonly effect: 'permit' | 'forbid';
  readonly actions: ReadonlySet<string>;
  /** All that must hold for it to match, besides the action: its scope and its conditions. */
  readonly conditions: readonly Expression[];
  /** What these name. */
  readonly mentions: Mentions;
  readonly description?: string;
  /** Of each permit that covers `request`. */
  readonly terms?: RequestTerms;
}

export const DEFAULT_MAX_DURATION_SECONDS = 3_600;
export const DEFAULT_PENDING_FOR_SECONDS = 3_600;
export const MAX_PENDING_FOR_SECONDS = 7 * 86_400;
export const MAX_APPROVALS = 10;

const ID = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
const APPROVAL = /^([1-9]|10) of Group::"([^"\\]+)"$/;
const ON_ALL = ['id', 'description'];
const ON_REQUEST_PERMITS = ['approval', 'maxDuration', 'pendingFor'];

export type Report = (problem: PolicyProblem) => void;

/** Reads one policy. What is wrong with it is reported; a policy that does not parse, or has no usable id, is no rule. */
export function readRule(source: PolicyText, report: Report): Rule | undefined {
  const parsed = parsePolicy(source.text);
  if ('errors' in parsed) {
    for (const { message, byte } of parsed.errors)
      report(problemAt(source, message, fromByteOffset(source.text, byte ?? 0)));
    return undefined;
  }
  return new RuleReader(source, parsed.json, report).read();
}

class RuleReader {
  readonly #annotations: Readonly<Record<string, string | null>>;
  readonly #actions: ReadonlySet<string>;

  constructor(
    private readonly source: PolicyText,
    private readonly json: PolicyJson,
    private readonly report: Report,
  ) {
    this.#annotations = json.annotations ?? {};
    this.#actions = coveredActions(json);
  }

  read(): Rule | undefined {
    const isRequestPermit = this.json.effect === 'permit' && this.#actions.has('request');
    this.#checkAnnotations(isRequestPermit);
    this.#checkEffect();
    const terms = isRequestPermit ? this.#readTerms() : undefined;
    const id = this.#readId();
    if (id === undefined) return undefined;
    const description = this.#annotations['description'];
    const conditions = expressionsOf(this.json);
    return {
      id,
      source: this.source,
      json: this.json,
      effect: this.json.effect,
      actions: this.#actions,
      conditions,
      mentions: mentionsIn(conditions),
      ...(typeof description === 'string' && { description }),
      ...(terms && { terms }),
    };
  }

  #checkAnnotations(isRequestPermit: boolean): void {
    const known = [...ON_ALL, ...ON_REQUEST_PERMITS];
    for (const name of annotationNames(this.source)) {
      if (!known.includes(name)) this.#problem(name, `unknown annotation @${name}: there are @${known.join(', @')}`);
      else if (ON_REQUEST_PERMITS.includes(name) && !isRequestPermit)
        this.#problem(name, `@${name} belongs on a permit of Action::"request" only`);
    }
  }

  /** Approvers come from `@approval`. A permit on `approve` would be a second way in, past "never your own request". */
  #checkEffect(): void {
    if (this.json.effect !== 'permit') return;
    if (this.json.action.op === 'All') this.#problem(undefined, 'a permit names its actions: action == Action::"…"');
    else if (this.#actions.has('approve'))
      this.#problem(
        undefined,
        'no permit on Action::"approve": approvers come from @approval, only a forbid can take away',
      );
  }

  #readId(): string | undefined {
    const id = this.#annotations['id'];
    if (typeof id === 'string' && ID.test(id)) return id;
    if (id === undefined) this.#problem(undefined, 'every policy has an @id("…")');
    else this.#problem('id', 'an @id is made of a–z, 0–9, ".", "_" and "-", at most 63 of them');
    return undefined;
  }

  #readTerms(): RequestTerms | undefined {
    const approval = this.#readApproval();
    const maxDurationSeconds = this.#readDuration('maxDuration', DEFAULT_MAX_DURATION_SECONDS);
    const pendingForSeconds = this.#readDuration('pendingFor', DEFAULT_PENDING_FOR_SECONDS, MAX_PENDING_FOR_SECONDS);
    return approval && { approval, maxDurationSeconds, pendingForSeconds };
  }

  #readApproval(): Approval | undefined {
    const text = this.#annotations['approval'];
    if (text === 'none') return 'none';
    if (text === undefined) {
      this.#problem(
        undefined,
        'a permit of Action::"request" says who approves: @approval("1 of Group::\\"…\\"") or @approval("none")',
      );
      return undefined;
    }
    const [, count, group] = APPROVAL.exec(text ?? '') ?? [];
    if (count !== undefined && group !== undefined) return { count: Number(count), group };
    this.#problem('approval', `@approval is "none" or "<1–${MAX_APPROVALS}> of Group::\\"…\\""`);
    return undefined;
  }

  #readDuration(name: string, otherwise: number, atMost = Infinity): number {
    const text = this.#annotations[name];
    if (text === undefined) return otherwise;
    try {
      const seconds = parseDuration(text ?? '');
      if (seconds <= atMost) return seconds;
      this.#problem(name, `@${name} is at most ${formatDuration(atMost)}`);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#problem(name, `@${name} is a duration: 45s, 30m, 2h, 7d`);
    }
    return otherwise;
  }

  #problem(annotation: string | undefined, message: string): void {
    this.report(problemAt(this.source, message, annotation === undefined ? 0 : annotationAt(this.source, annotation)));
  }
}

function coveredActions({ action }: PolicyJson): ReadonlySet<string> {
  if (action.op === 'All') return new Set<Action>(Object.keys(ACTIONS) as Action[]);
  if ('entities' in action) return new Set(action.entities.map(idOf));
  return new Set('entity' in action ? [idOf(action.entity)] : []);
}

function idOf(entity: { __entity: { id: string } } | { id: string }): string {
  return '__entity' in entity ? entity.__entity.id : entity.id;
}
