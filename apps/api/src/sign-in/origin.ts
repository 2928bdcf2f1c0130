import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { Recorder, type Act } from '@app/audit';
import type { Transact } from '@app/identity';
import { currentCorrelation } from '@app/platform';
import { clientAddress } from '@app/platform/http';

/** Where a request comes from, when nobody has said yet who is asking. */
export type Origin = Omit<Act, 'actor'>;

export const RequestOrigin = createParamDecorator((_: unknown, execution: ExecutionContext): Origin => {
  const request = execution.switchToHttp().getRequest<Request>();
  return {
    channel: request.header('user-agent')?.startsWith('curfew-cli/') ? 'cli' : 'api',
    correlation: currentCorrelation() ?? 'none',
    address: clientAddress(request),
  };
});

/** How the identity library's state changes are recorded: by whom they concern, or by this process as long as nobody is known. */
export const recordedFrom =
  (recorder: Recorder, origin: Origin): Transact =>
  (actor, work) =>
    recorder.run({ ...origin, actor: actor ?? 'api' }, work);
