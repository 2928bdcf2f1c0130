import { Controller, Get, HttpStatus, Inject, Res } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { Clock } from '@app/kernel';
import { Public } from './public';

const checkResult = z.object({
  ok: z.boolean().describe('`false` takes the process out of service; a warning does not.'),
  warning: z.boolean().optional(),
  detail: z.string().optional(),
  since: z.iso
    .datetime()
    .optional()
    .describe('Since when it is so, or else since when each look has found it so. Only of what is wrong.'),
});

const alive = z.object({ status: z.literal('ok') });

const readiness = z
  .object({ status: z.enum(['ready', 'not ready']), checks: z.record(z.string(), checkResult) })
  .meta({ id: 'Readiness' });

/** What a check says. It may leave out since when: then it is since the first of the looks that all found it so. */
export type CheckResult = Readonly<z.infer<typeof checkResult>>;

export interface HealthCheck {
  readonly name: string;
  check(): Promise<CheckResult>;
}

export const HEALTH_CHECKS = Symbol('health checks');

/** The longest a check may take, in milliseconds: an answer that does not come is one. */
const PATIENCE_MS = 2_000;
/** Looks further apart than this, in milliseconds, say nothing of the time between them: it may have been well meanwhile. */
const APART_MS = 150_000;

/** What is wrong, for as long as each look finds it so. */
interface Episode {
  readonly ok: boolean;
  readonly since: string;
  /** When it was last seen, in the service's milliseconds. */
  readonly seenMs: number;
}

/** Whether the process lives, whether it can serve, and its numbers. */
@ApiTags('health')
@Controller()
@Public()
export class HealthController {
  /** By the name of a check that is wrong. */
  readonly #episodes = new Map<string, Episode>();

  constructor(
    @Inject(HEALTH_CHECKS) private readonly checks: readonly HealthCheck[],
    private readonly metrics: Registry,
    private readonly clock: Clock,
  ) {}

  @Get('healthz')
  @ApiResponse({ status: HttpStatus.OK, standardSchema: alive })
  healthz(): z.infer<typeof alive> {
    return { status: 'ok' };
  }

  /** 200 when it can serve, 503 otherwise; either way what is wrong and since when. */
  @Get('readyz')
  @ApiResponse({ status: HttpStatus.OK, standardSchema: readiness })
  @ApiResponse({ status: HttpStatus.SERVICE_UNAVAILABLE, standardSchema: readiness })
  async readyz(@Res({ passthrough: true }) response: Response): Promise<z.infer<typeof readiness>> {
    const results = await Promise.all(this.checks.map(async (check) => [check.name, await this.#look(check)] as const));
    const ready = results.every(([, result]) => result.ok);
    response.status(ready ? HttpStatus.OK : HttpStatus.SERVICE_UNAVAILABLE);
    return { status: ready ? 'ready' : 'not ready', checks: Object.fromEntries(results) };
  }

  @Get('metrics')
  @ApiResponse({ status: HttpStatus.OK, content: { 'application/openmetrics-text': { schema: { type: 'string' } } } })
  async numbers(@Res() response: Response): Promise<void> {
    response.type(this.metrics.contentType).send(await this.metrics.metrics());
  }

  async #look(check: HealthCheck): Promise<CheckResult> {
    const result = await patiently(check);
    if (result.ok && result.warning !== true) {
      this.#episodes.delete(check.name);
      return result;
    }
    return { since: this.#seenSince(check.name, result.ok), ...result };
  }

  /** A warning is one matter, a failure another. */
  #seenSince(name: string, ok: boolean): string {
    const nowMs = this.clock.milliseconds();
    const last = this.#episodes.get(name);
    const goesOn = last?.ok === ok && nowMs - last.seenMs <= APART_MS;
    const since = goesOn ? last.since : this.clock.now().toISOString();
    this.#episodes.set(name, { ok, since, seenMs: nowMs });
    return since;
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
