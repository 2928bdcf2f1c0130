import type { PolicyJson } from './cedar';

type Constraint = PolicyJson['principal'] | PolicyJson['resource'];

interface Uid {
  readonly type: string;
  readonly id: string;
}

/** What a scope says of a principal or a resource. `is Human` says nothing: an action has one type of principal. */
export interface Scope {
  /** `== Human::"…"` */
  readonly only?: Uid;
  /** `in Group::"…"` */
  readonly within?: Uid;
}

export function scopeOf(constraint: Constraint): Scope {
  if (constraint.op === 'is') return constraint.in ? withinOf(constraint.in) : {};
  if (constraint.op === 'in') return withinOf(constraint);
  return constraint.op === '==' && 'entity' in constraint ? { only: uidOf(constraint.entity) } : {};
}

/** Whether an unconditional policy on `outer` catches everything that one on `inner` speaks of; only when that is certain. */
export function surelyCovers(outer: Scope, inner: Scope): boolean {
  const fits = (ours: Uid | undefined, theirs: Uid | undefined) => ours === undefined || same(ours, theirs);
  return fits(outer.only, inner.only) && fits(outer.within, inner.within);
}

/** Every entity that a policy names: in its scope and in its conditions. */
export function entitiesIn({ principal, resource, conditions }: PolicyJson): Uid[] {
  const scopes = [scopeOf(principal), scopeOf(resource)].flatMap(({ only, within }) => [only, within]);
  return [...scopes.filter((uid) => uid !== undefined), ...literalsIn(conditions)];
}

function literalsIn(node: unknown): Uid[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => (key === '__entity' ? [value as Uid] : literalsIn(value)));
}

function withinOf(constraint: { entity: EntityJson } | { slot: string }): Scope {
  return 'entity' in constraint ? { within: uidOf(constraint.entity) } : {};
}

type EntityJson = { __entity: Uid } | Uid;

function uidOf(entity: EntityJson): Uid {
  return '__entity' in entity ? entity.__entity : entity;
}

function same(a: Uid, b: Uid | undefined): boolean {
  return a.type === b?.type && a.id === b.id;
}
