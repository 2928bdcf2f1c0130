import { createHash } from 'node:crypto';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Asker } from '@app/access';
import type { Act } from '@app/audit';
import type { Caller } from '@app/identity';
import { AppError } from '@app/kernel';
import { currentCorrelation } from '@app/platform';
import { clientAddress } from '@app/platform/http';

/** Everything a use case wants to know of the HTTP request that asked for it. */
export interface RequestContext {
  readonly asker: Asker;
  readonly act: Act;
  readonly idempotency?: { readonly key: string; readonly requestHash: Buffer };
}

class InvalidIdempotencyKey extends AppError {
  constructor() {
    super({
      kind: 'invalid',
      code: 'http.invalid_idempotency_key',
      message: 'the Idempotency-Key is not one',
      advice: 'Send 1 to 255 printable ASCII characters; a random UUID does well.',
    });
  }
}

/** Who is asking, from where, through what, and under which idempotency key. */
export const Context = createParamDecorator((_: unknown, execution: ExecutionContext): RequestContext => {
  const request = execution.switchToHttp().getRequest<Request & { caller: Caller }>();
  const { caller } = request;
  const address = clientAddress(request);
  const key = request.header('idempotency-key');
  if (key !== undefined && !/^[\x21-\x7e]{1,255}$/.test(key)) throw new InvalidIdempotencyKey();
  return {
    asker: { ...caller, address },
    act: {
      actor: caller.identityId,
      channel: request.header('user-agent')?.startsWith('curfew-cli/') ? 'cli' : 'api',
      correlation: currentCorrelation() ?? 'none',
      address,
    },
    ...(key === undefined ? {} : { idempotency: { key, requestHash: hashOf(request) } }),
  };
});

function hashOf({ method, path, body }: Request): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([method, path, body]))
    .digest();
}
