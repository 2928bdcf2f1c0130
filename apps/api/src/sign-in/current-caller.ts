import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Caller } from '@app/identity';

/** A request that passed the guard of a route for people who are signed in. */
export type SignedInRequest = Request & { caller: Caller };

export const CurrentCaller = createParamDecorator(
  (_: unknown, execution: ExecutionContext): Caller => execution.switchToHttp().getRequest<SignedInRequest>().caller,
);
