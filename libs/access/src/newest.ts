import type { Cursor } from './page';
import type { Sight } from './sight';

/** The parameters of a statement that is put together: each is written down where it is used. */
export class Parameters {
  readonly values: unknown[] = [];

  /** @returns its place in the statement */
  add(value: unknown, type: string): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }
}

/** Which page of what one may see. */
export interface Wanted {
  readonly sight: Sight;
  /** Only what is one's own. */
  readonly mine: boolean;
  /** Conditions on the row, `r` of requests and `g` of grants. */
  readonly where: readonly string[];
  /** Conditions of which exactly one holds of a row that is wanted, where each has indexes of its own. */
  readonly parts?: readonly string[];
  readonly after: Cursor | undefined;
  readonly limit: number;
}

/** One table of rows, and one of references to them that knows by which group they are seen. */
interface Noun {
  readonly rows: string;
  readonly row: 'r' | 'g';
  readonly references: string;
  readonly key: string;
}

/**
 * The ids on one page, newest first: the newest of each reason to see something, by an index of that reason, and of those
 * the newest. One predicate of all reasons would read a whole table for somebody who sees little of it.
 *
 * Says the same as `VISIBLE_REQUEST` on one row.
 */
export function newestRequests(parameters: Parameters, wanted: Wanted): string {
  const noun: Noun = { rows: 'requests', row: 'r', references: 'request_paths', key: 'request_id' };
  const page = new Newest(parameters, noun, wanted);
  return page.of(() => [
    page.referred(page.groups(), 'approver_group'),
    page.referred(
      `SELECT e.id FROM targets t JOIN entitlements e ON e.target_id = t.id WHERE t.owner_group IN (${page.groups()})`,
      'entitlement_id',
      'request_entitlements',
    ),
  ]);
}

/** Says the same as `VISIBLE_GRANT` on one row. */
export function newestGrants(parameters: Parameters, wanted: Wanted): string {
  const noun: Noun = { rows: 'grants', row: 'g', references: 'grant_groups', key: 'grant_id' };
  const page = new Newest(parameters, noun, wanted);
  return page.of(() => [
    page.referred(page.groups(), 'approver_group'),
    page.each(`SELECT id FROM targets WHERE owner_group IN (${page.groups()})`, page.rows(['g.target_id = reason.id'])),
  ]);
}

class Newest {
  readonly #limit: string;
  readonly #after: readonly [string, string] | undefined;

  constructor(
    private readonly parameters: Parameters,
    private readonly noun: Noun,
    private readonly wanted: Wanted,
  ) {
    this.#limit = parameters.add(wanted.limit, 'integer');
    const { after } = wanted;
    this.#after = after && [parameters.add(after.createdAt, 'timestamptz'), parameters.add(after.id, 'uuid')];
  }

  /** @param byGroup what one sees by one's groups */
  of(byGroup: () => string[]): string {
    const { sight, mine } = this.wanted;
    if (sight.everything && !mine) return this.rows([]);
    const own = this.rows([`${this.noun.row}.identity_id = ${this.parameters.add(sight.identityId, 'uuid')}`]);
    if (mine || sight.groups.length === 0) return own;
    // The same row may be seen for several reasons.
    const all = [own, ...byGroup()].map((branch) => `(${branch})`).join(' UNION ');
    return `SELECT created_at, id FROM (${all}) seen ${this.#newestFirst('created_at', 'id')}`;
  }

  groups(): string {
    return `SELECT unnest(${this.parameters.add(this.wanted.sight.groups, 'text[]')}) AS id`;
  }

  /** Of the rows, by an index that begins with what `reason` compares. */
  rows(reason: readonly string[]): string {
    const { parts = [] } = this.wanted;
    if (parts.length < 2) return this.#rows([...reason, ...parts]);
    const all = parts.map((part) => `(${this.#rows([...reason, part])})`).join(' UNION ALL ');
    return `SELECT created_at, id FROM (${all}) parts ${this.#newestFirst('created_at', 'id')}`;
  }

  /** Of the references, which know the row's `created_at`. The rows themselves are read only where that narrows. */
  referred(reasons: string, column: string, references = this.noun.references): string {
    const { rows, row, key } = this.noun;
    const at = ['x.created_at', `x.${key}`] as const;
    const { where, parts = [] } = this.wanted;
    const narrowing = [...where, ...(parts.length === 1 ? parts : [])];
    const conditions = [`x.${column} = reason.id`, ...narrowing, ...this.#beyond(...at)];
    const join = narrowing.length > 0 ? `JOIN ${rows} ${row} ON ${row}.id = x.${key}` : '';
    return this.each(
      reasons,
      `SELECT DISTINCT x.created_at, x.${key} AS id FROM ${references} x ${join}
       WHERE ${conditions.join(' AND ')} ${this.#newestFirst(...at)}`,
    );
  }

  /** The newest of each reason: each is one walk along an index. */
  each(reasons: string, newestOfOne: string): string {
    return `SELECT one.created_at, one.id FROM (${reasons}) reason CROSS JOIN LATERAL (${newestOfOne}) one`;
  }

  #rows(reason: readonly string[]): string {
    const { rows, row } = this.noun;
    const at = [`${row}.created_at`, `${row}.id`] as const;
    const conditions = [...reason, ...this.wanted.where, ...this.#beyond(...at)];
    const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
    return `SELECT ${at.join(', ')} FROM ${rows} ${row} ${where} ${this.#newestFirst(...at)}`;
  }

  #beyond(createdAt: string, id: string): string[] {
    return this.#after ? [`(${createdAt}, ${id}) < (${this.#after[0]}, ${this.#after[1]})`] : [];
  }

  #newestFirst(createdAt: string, id: string): string {
    return `ORDER BY ${createdAt} DESC, ${id} DESC LIMIT ${this.#limit}`;
  }
}
