import { createHash } from 'node:crypto';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import canonicalize from 'canonicalize';
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

class NoCanonicalForm extends AppError {
  constructor(cause: unknown) {
    super({
      kind: 'invalid',
      code: 'http.no_canonical_form',
      message: 'the body has a number that is too large, or half a character',
      advice: 'Send JSON that means the same to everybody (RFC 7493).',
      cause,
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

/** Over the RFC 8785 form: whoever repeats something says the same, in whatever order its members come. */
function hashOf({ method, path, body }: Request): Buffer {
  return createHash('sha256')
    .update(canonical([method, path, body]))
    .digest();
}

/** It is asked before the body is checked, which may be no JSON that means the same to everybody. */
function canonical(value: readonly unknown[]): string {
  try {
    return String(canonicalize(value));
  } catch (error) {
    throw new NoCanonicalForm(error);
  }
}
