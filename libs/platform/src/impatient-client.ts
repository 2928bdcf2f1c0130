import pg from 'pg';

/** pg says it in words only. */
const GIVEN_UP = 'Query read timeout';

/**
 * A connection that ends itself with a query whose answer does not come. pg gives such a query up (`query_timeout`) and
 * leaves the connection in the middle of it: back in the pool, it would let everybody after wait for the same answer.
 */
export class ImpatientClient extends pg.Client {
  /** In every form that the driver's own has: it is handed on as it came. */
  override query(...words: unknown[]): never {
    const query = super.query.bind(this) as (...words: unknown[]) => unknown;
    const answer = query(...words);
    if (answer instanceof Promise) answer.catch((error: unknown) => this.#endWhenGivenUp(error));
    return answer as never;
  }

  /** At once: whoever gives the connection back, or rolls back on it, finds it closed. */
  #endWhenGivenUp(error: unknown): void {
    if (error instanceof Error && error.message === GIVEN_UP) void this.end();
  }
}
