import type { PolicyJson } from './cedar';

/** A node of Cedar's JSON policy format, such as `{ "==": { left, right } }`: one key, the operator. */
export type Expression = Readonly<Record<string, unknown>>;

export interface Uid {
  readonly type: string;
  readonly id: string;
}

/** All that must hold for a policy to match, scope and conditions alike; except for the action in the scope. */
export function expressionsOf({ principal, resource, conditions }: PolicyJson): Expression[] {
  return [
    fromScope('principal', principal),
    fromScope('resource', resource),
    ...conditions.map(({ kind, body }) => (kind === 'when' ? body : { '!': { arg: body } })),
  ];
}

/** What a policy names. */
export interface Mentions {
  readonly entities: readonly Uid[];
  /** By attribute (`subject`, `durationSeconds`), the literals that it is compared with. */
  readonly literals: ReadonlyMap<string, readonly unknown[]>;
}

const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=', 'contains']);

export function mentionsIn(expressions: readonly Expression[]): Mentions {
  const literals = new Map<string, unknown[]>();
  for (const [operator, operands] of entriesIn(expressions)) {
    if (!COMPARISONS.has(operator)) continue;
    for (const attribute of under(operands, 'attr'))
      literals.set(String(attribute), [...(literals.get(String(attribute)) ?? []), ...under(operands, 'Value')]);
  }
  return { entities: under(expressions, '__entity') as Uid[], literals };
}

function fromScope(variable: string, constraint: PolicyJson['principal']): Expression {
  const left = { Var: variable };
  if (constraint.op === 'All') return { Value: true };
  if (constraint.op !== 'is') return { [constraint.op]: { left, right: entityOf(constraint) } };
  const { entity_type, in: within } = constraint;
  return { is: { left, entity_type, ...(within && { in: entityOf(within) }) } };
}

/** Cedar names an entity in two ways. A slot is in templates only, and those are refused. */
function entityOf(constraint: { entity: { __entity: Uid } | Uid } | { slot: string }): Expression {
  if ('slot' in constraint) return { Slot: constraint.slot };
  const { entity } = constraint;
  return { Value: '__entity' in entity ? entity : { __entity: entity } };
}

function* entriesIn(node: unknown): Generator<[string, unknown]> {
  if (typeof node !== 'object' || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    yield [key, value];
    yield* entriesIn(value);
  }
}

function under(node: unknown, name: string): unknown[] {
  return [...entriesIn(node)].flatMap(([key, value]) => (key === name ? [value] : []));
}
