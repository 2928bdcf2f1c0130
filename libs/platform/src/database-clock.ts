import type { DataSource } from 'typeorm';
import { Clock } from '@app/kernel';

const REFRESH_MS = 10_000;

/**
 * The database's time: an offset refreshed every 10 s, carried by the monotonic clock. The host's own clock is never asked.
 */
export class DatabaseClock extends Clock {
  #offset = Number.NaN;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: DataSource,
    private readonly onError: (error: unknown) => void,
  ) {
    super();
  }

  /** Reads the time once, and from then on every 10 s. A failed refresh keeps the last offset: the monotonic clock drifts by microseconds a second. */
  async start(): Promise<this> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh().catch(this.onError), REFRESH_MS).unref();
    return this;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  milliseconds(): number {
    if (Number.isNaN(this.#offset)) throw new Error('the clock was not started');
    return Math.floor(performance.now() + this.#offset);
  }

  async refresh(): Promise<void> {
    const before = performance.now();
    const [row] = await this.database.query<{ ms: string }[]>(
      'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms',
    );
    const after = performance.now();
    this.#offset = Number(row?.ms) - (before + after) / 2;
  }
}
