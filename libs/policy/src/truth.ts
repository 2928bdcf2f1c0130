import type { Expression } from './expression';
import type { Rule } from './rule';
import { FACT_SOURCES, OPTIONAL_FACTS } from './schema';
import { isMember, OTHER, type Name, type Situation, type Truth } from './situation';

// Cedar's own partial evaluation needs a whole context and all groups of a person. Here both are known in part.
// What is read is little: names, groups, targets, comparisons with literals, and how they are combined. Everything else
// may be either. An expression that fails counts as either too, or as what it would be if it did not: that is safe,
// because a `permit` that fails does not count and a `forbid` that fails refuses.

/** Whether a policy matches, as far as the situation is known. Its action is not looked at. */
export function matches({ conditions }: Pick<Rule, 'conditions'>, situation: Situation): Truth {
  return every(conditions, (condition) => truthOf(condition, situation));
}

interface Operands {
  readonly left: Expression;
  readonly right: Expression;
  readonly arg: Expression;
}

type Reader = (operands: Operands, situation: Situation) => Truth;

const READERS = new Map<string, Reader>([
  ['Value', (value: unknown) => (typeof value === 'boolean' ? value : undefined)],
  ['!', ({ arg }, s) => not(truthOf(arg, s))],
  ['&&', ({ left, right }, s) => every([left, right], (side) => truthOf(side, s))],
  ['||', ({ left, right }, s) => some([left, right], (side) => truthOf(side, s))],
  ['if-then-else', readChoice],
  ['==', ({ left, right }, s) => equal(left, right, s)],
  ['!=', ({ left, right }, s) => not(equal(left, right, s))],
  ['<', ordered((a, b) => a < b)],
  ['<=', ordered((a, b) => a <= b)],
  ['>', ordered((a, b) => a > b)],
  ['>=', ordered((a, b) => a >= b)],
  ['contains', ({ left, right }, s) => inSet(left, (member) => equal(member, right, s))],
  ['in', ({ left, right }, s) => within(left, right, s)],
  ['is', readType],
  ['has', readPresence],
]);

function truthOf(expression: Expression, situation: Situation): Truth {
  const [operator, operands] = Object.entries(expression)[0] ?? [];
  return READERS.get(operator ?? '')?.(operands as Operands, situation);
}

function readChoice(operands: object, situation: Situation): Truth {
  const { if: condition, then, else: otherwise } = operands as Readonly<Record<'if' | 'then' | 'else', Expression>>;
  const [chosen, yes, no] = [condition, then, otherwise].map((part) => truthOf(part, situation));
  if (chosen === undefined) return yes === no ? yes : undefined;
  return chosen ? yes : no;
}

function readType(operands: object, situation: Situation): Truth {
  const { left, entity_type, in: group } = operands as { left: Expression; entity_type: string; in?: Expression };
  const entity = valueOf(left, situation);
  if (!isEntity(entity)) return undefined;
  return entity.type === entity_type && (group === undefined || within(left, group, situation));
}

const HOLDERS = new Set<unknown>(['principal', 'resource', 'context']);

/** What the schema promises is always there, what it does not know never. */
function readPresence(operands: object): Truth {
  const { left, attr } = operands as { left: Expression; attr: unknown };
  if (!HOLDERS.has(left['Var']) || typeof attr !== 'string') return undefined;
  const fact = `${String(left['Var'])}.${attr}`;
  return OPTIONAL_FACTS.has(fact) ? undefined : Object.hasOwn(FACT_SOURCES, fact);
}

/** Facts are compared with literals only: the possibilities that are tried are made of the literals. */
function equal(left: Expression, right: Expression, situation: Situation): Truth {
  return isLiteral(left) || isLiteral(right) ? same(valueOf(left, situation), valueOf(right, situation)) : undefined;
}

function ordered(compare: (a: number, b: number) => boolean): Reader {
  return ({ left, right }, situation) => {
    const [a, b] = [valueOf(left, situation), valueOf(right, situation)];
    const isComparable = isLiteral(left) || isLiteral(right);
    return isComparable && typeof a === 'number' && typeof b === 'number' ? compare(a, b) : undefined;
  };
}

function within(left: Expression, right: Expression, situation: Situation): Truth {
  if ('Set' in right) return inSet(right, (member) => within(left, member, situation));
  const outer = valueOf(right, situation);
  if (!isEntity(outer)) return undefined;
  const variable = left['Var'];
  if (variable === 'principal' && outer.type === 'Group') return isMember(situation, outer.id);
  if (variable === 'resource' && outer.type === 'Target') return same(situation.thing.target, outer.id);
  const inner = valueOf(left, situation);
  return isEntity(inner) && inner.type === outer.type ? same(inner, outer) : undefined;
}

function inSet({ Set: members }: Expression, test: (member: Expression) => Truth): Truth {
  return Array.isArray(members) ? some(members as Expression[], test) : undefined;
}

interface Entity {
  readonly type: string;
  readonly id: Name;
}

type Value = Name | number | boolean | Entity;

function same(a: Value, b: Value): Truth {
  if (a === undefined || b === undefined) return undefined;
  return isEntity(a) && isEntity(b) ? a.type === b.type && same(a.id, b.id) : a === b;
}

function valueOf(expression: Expression, situation: Situation): Value {
  if ('Value' in expression) return literalOf(expression['Value']);
  const { left, attr } = (expression['.'] ?? {}) as { left?: Expression; attr?: string };
  const fact = left ? `${String(left['Var'])}.${attr}` : String(expression['Var']);
  return FACTS.get(fact)?.(situation);
}

/** A number beyond those that JavaScript knows exactly may be any. */
function literalOf(value: unknown): Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  return typeof value === 'object' && value !== null && '__entity' in value ? (value.__entity as Entity) : undefined;
}

const FACTS = new Map<string, (situation: Situation) => Value>([
  ['principal', ({ person }) => ({ type: 'Human', id: person.id })],
  ['principal.connection', ({ person }) => person.connection],
  ['principal.subject', ({ person }) => person.subject],
  ['action', ({ action }) => ({ type: 'Action', id: action })],
  ['resource', ({ thing }) => ({ type: 'Entitlement', id: fullName(thing) })],
  ['resource.name', ({ thing }) => thing.name],
  ['resource.kind', ({ thing }) => thing.kind],
  ['resource.owner', ({ thing }) => ({ type: 'Group', id: thing.owner })],
  ['context.durationSeconds', ({ durationSeconds }) => durationSeconds],
  ['context.signInAgeSeconds', ({ signInAgeSeconds }) => signInAgeSeconds],
]);

function fullName({ target, name }: Situation['thing']): Name {
  if (target === OTHER || name === OTHER) return OTHER;
  return target === undefined || name === undefined ? undefined : `${target}/${name}`;
}

function isLiteral(expression: Expression): boolean {
  return 'Value' in expression;
}

function isEntity(value: Value): value is Entity {
  return typeof value === 'object';
}

function not(truth: Truth): Truth {
  return truth === undefined ? undefined : !truth;
}

function every<T>(all: readonly T[], test: (one: T) => Truth): Truth {
  let truth: Truth = true;
  for (const one of all) {
    const next = test(one);
    if (next === false) return false;
    if (next === undefined) truth = undefined;
  }
  return truth;
}

function some<T>(all: readonly T[], test: (one: T) => Truth): Truth {
  return not(every(all, (one) => not(test(one))));
}
