import { Controller, Get, HttpStatus, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Registry } from 'prom-client';
import { Public } from './public';

/** What a check says. `ok: false` takes the process out of service; a warning does not. */
export interface CheckResult {
  readonly ok: boolean;
  readonly warning?: boolean;
  readonly detail?: string;
  /** Since when, RFC 3339. */
  readonly since?: string;
}

export interface HealthCheck {
  readonly name: string;
  check(): Promise<CheckResult>;
}

export const HEALTH_CHECKS = Symbol('health checks');

/** The longest a check may take, in milliseconds: an answer that does not come is one. */
const PATIENCE_MS = 2_000;

/** Whether the process lives, whether it can serve, and its numbers. */
@Controller()
@Public()
export class HealthController {
  constructor(
    @Inject(HEALTH_CHECKS) private readonly checks: readonly HealthCheck[],
    private readonly metrics: Registry,
  ) {}

  @Get('healthz')
  healthz(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** 200 when it can serve, 503 otherwise; either way what is wrong and since when. */
  @Get('readyz')
  async readyz(@Res({ passthrough: true }) response: Response): Promise<unknown> {
    const results = await Promise.all(this.checks.map(async (check) => [check.name, await patiently(check)] as const));
    const ready = results.every(([, result]) => result.ok);
    response.status(ready ? HttpStatus.OK : HttpStatus.SERVICE_UNAVAILABLE);
    return { status: ready ? 'ready' : 'not ready', checks: Object.fromEntries(results) };
  }

  @Get('metrics')
  async numbers(@Res() response: Response): Promise<void> {
    response.type(this.metrics.contentType).send(await this.metrics.metrics());
  }
}

async function patiently(check: HealthCheck): Promise<CheckResult> {
  const late = Promise.withResolvers<CheckResult>();
  const timer = setTimeout(() => late.resolve({ ok: false, detail: 'no answer' }), PATIENCE_MS);
  try {
    return await Promise.race([check.check(), late.promise]);
  } catch {
    return { ok: false, detail: 'failed' };
  } finally {
    clearTimeout(timer);
  }
}
