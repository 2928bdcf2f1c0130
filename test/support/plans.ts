import type { DataSource, EntityManager, Logger } from 'typeorm';

/** A statement as the code sent it. */
export interface Sent {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** What a statement did, as the server tells. */
export interface Explained {
  /** The large tables that were read from end to end. */
  readonly scanned: readonly string[];
  /** Rows of large tables that were looked at, wherever in the plan, whether they were kept or not. */
  readonly rows: number;
  /** The plan, to be read by people. */
  readonly text: string;
}

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly Node[];
}

const STATEMENT = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b/i;
/** The clock asks for the time every 10 s, whoever is at work. */
const CLOCK = /^SELECT extract\(epoch FROM clock_timestamp\(\)\) \* 1000 AS ms$/;

/** The statements that the code sends while it does something: the real ones, not copies of them. */
export async function statementsOf(database: DataSource, work: () => Promise<unknown>): Promise<Sent[]> {
  const sent: Sent[] = [];
  const before = database.logger;
  database.logger = {
    logQuery: (sql: string, parameters: unknown[] = []) => void sent.push({ sql, parameters }),
    logQueryError: () => undefined,
    logQuerySlow: () => undefined,
    logSchemaBuild: () => undefined,
    logMigration: () => undefined,
    log: () => undefined,
  } satisfies Logger;
  try {
    await work();
  } finally {
    database.logger = before;
  }
  return sent.filter(({ sql }) => STATEMENT.test(sql) && !CLOCK.test(sql));
}

/**
 * Carries the statement out in a transaction that is taken back, and looks at how that was done.
 *
 * @param small the tables that do not count
 */
export async function explain(
  database: DataSource,
  { sql, parameters }: Sent,
  small: ReadonlySet<string>,
): Promise<Explained> {
  const runner = database.createQueryRunner();
  await runner.startTransaction();
  try {
    await runner.query(
      `SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true)`,
    );
    return await planOf(runner.manager, { sql, parameters }, small);
  } finally {
    await runner.rollbackTransaction();
    await runner.release();
  }
}

async function planOf(
  manager: EntityManager,
  { sql, parameters }: Sent,
  small: ReadonlySet<string>,
): Promise<Explained> {
  const [row] = await manager.query<{ 'QUERY PLAN': [{ Plan: Node }] }[]>(
    `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, FORMAT JSON) ${sql}`,
    [...parameters],
  );
  const nodes = allOf(row!['QUERY PLAN'][0].Plan, 0);
  const large = nodes.map(({ node }) => node).filter((node) => !small.has(node['Relation Name'] ?? ''));
  return {
    scanned: large.flatMap((node) => (node['Node Type'] === 'Seq Scan' ? (node['Relation Name'] ?? []) : [])),
    rows: large.reduce((sum, node) => sum + lookedAt(node), 0),
    text: nodes.map(({ node, depth }) => `${'  '.repeat(depth)}${nameOf(node)} ${lookedAt(node)}`).join('\n'),
  };
}

const allOf = (node: Node, depth: number): { node: Node; depth: number }[] => [
  { node, depth },
  ...(node.Plans ?? []).flatMap((child) => allOf(child, depth + 1)),
];

/** Only nodes that read a relation: what they pass on is not counted again. */
function lookedAt(node: Node): number {
  if (node['Relation Name'] === undefined && node['Node Type'] !== 'Bitmap Index Scan') return 0;
  const each =
    node['Actual Rows'] +
    (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Index Recheck'] ?? 0) +
    (node['Rows Removed by Join Filter'] ?? 0);
  return Math.ceil(each * node['Actual Loops']);
}

const nameOf = (node: Node): string =>
  [node['Node Type'], node['Relation Name'], node['Index Name']].filter((name) => name !== undefined).join(' ');
