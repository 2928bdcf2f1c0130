import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Logger } from 'pino';
import { DataSource } from 'typeorm';
import { LOGGER } from './platform.module';

const HOURLY_MS = 3_600_000;

/** Forgets what nobody can ask for any more. Several processes may do so at once. */
@Injectable()
export class Sweeps {
  constructor(
    private readonly database: DataSource,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** An idempotency key counts for a day. */
  @Interval(HOURLY_MS)
  async forgetKeys(): Promise<void> {
    const old = `DELETE FROM idempotency_keys WHERE created_at < clock_timestamp() - interval '1 day'`;
    try {
      await this.database.query(old);
    } catch (error) {
      this.log.error({ err: error }, 'the sweep of idempotency keys did not go through');
    }
  }
}
