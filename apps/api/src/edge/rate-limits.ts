import { Injectable, SetMetadata, type ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerLimitDetail, type ThrottlerModuleOptions } from '@nestjs/throttler';
import type { Request, Response } from 'express';
import type { Caller } from '@app/identity';
import { AppError } from '@app/kernel';
import type { ApiEnvironment } from '@app/platform';
import { clientAddress } from '@app/platform/http';

/** What is limited: beginning a sign-in, fetching tokens, and picking a credential up. */
export type Limit = 'sign-in' | 'tokens' | 'pick-up';

const LIMIT = Symbol('rate limit');

/** This route counts: of whoever is signed in, else of the client's address (IPv6: its /64). */
export const Limited = (limit: Limit): MethodDecorator => SetMetadata(LIMIT, limit);

/** What a route counts as; `undefined` when it does not. */
export const limitOf = (handler: object): Limit | undefined => Reflect.getMetadata(LIMIT, handler) as Limit | undefined;

const MINUTE_MS = 60_000;
/** A client that waits for its sign-in asks every five seconds; several may wait behind one address. */
const POLLS_PER_SIGN_IN = 20;

export class TooManyRequests extends AppError {
  constructor(retryAfterSeconds: number) {
    super({
      kind: 'limited',
      code: 'http.too_many_requests',
      message: 'that was tried too often',
      advice: `Try again in ${retryAfterSeconds} s.`,
      details: { retryAfterSeconds },
    });
  }
}

/** Each process counts for itself, and forgets when it ends. */
export function rateLimits(environment: ApiEnvironment): ThrottlerModuleOptions {
  const { SIGN_INS_PER_MINUTE: signIns, PICK_UPS_PER_MINUTE: pickUps } = environment;
  const perMinute: Record<Limit, number> = {
    'sign-in': signIns,
    tokens: signIns * POLLS_PER_SIGN_IN,
    'pick-up': pickUps,
  };
  return {
    setHeaders: false,
    throttlers: Object.entries(perMinute).map(([name, limit]) => ({
      name,
      limit,
      ttl: MINUTE_MS,
      skipIf: (execution) => limitOf(execution.getHandler()) !== name,
    })),
  };
}

@Injectable()
export class RateLimits extends ThrottlerGuard {
  protected override async getTracker(request: Request & { caller?: Caller }): Promise<string> {
    if (request.caller) return request.caller.identityId;
    return clientAddress(request) === undefined ? 'unknown' : super.getTracker(request);
  }

  /** @throws TooManyRequests */
  protected override throwThrottlingException(
    execution: ExecutionContext,
    { timeToBlockExpire }: ThrottlerLimitDetail,
  ): Promise<void> {
    execution.switchToHttp().getResponse<Response>().setHeader('Retry-After', timeToBlockExpire);
    throw new TooManyRequests(timeToBlockExpire);
  }
}
