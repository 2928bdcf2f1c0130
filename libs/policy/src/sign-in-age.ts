import type { PolicyJson } from './cedar';

/** The oldest sign-in that a permit's `when { context.signInAgeSeconds <= N }` takes; only where it is written like that. */
export function maxSignInAge({ json }: { readonly json: PolicyJson }): number | undefined {
  const limits = json.conditions.flatMap(({ kind, body }) => (kind === 'when' ? limitsIn(body) : []));
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

/** Only what must hold for the whole to hold: the parts of a conjunction. */
function limitsIn(node: unknown): number[] {
  const and = field(node, '&&');
  if (and !== undefined) return [...limitsIn(field(and, 'left')), ...limitsIn(field(and, 'right'))];
  return [...limitOf(field(node, '<='), 0), ...limitOf(field(node, '<'), 1)];
}

function limitOf(comparison: unknown, margin: number): number[] {
  const access = field(field(comparison, 'left'), '.');
  const limit = field(field(comparison, 'right'), 'Value');
  const isAge = field(field(access, 'left'), 'Var') === 'context' && field(access, 'attr') === 'signInAgeSeconds';
  return isAge && typeof limit === 'number' ? [limit - margin] : [];
}

function field(node: unknown, name: string): unknown {
  return typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[name] : undefined;
}
