import { Body, Controller, Param, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { DecisionsService, RequestsView, type RequestView } from '@app/access';
import { SignedIn } from '@app/platform/http';
import { Answers } from '../edge/answers';
import { Context, type RequestContext } from '../edge/request-context';
import { idParameter } from '../edge/schemas';
import { Repeatable, Writes } from '../edge/writes';
import { decide, request } from './requests.schemas';

@ApiTags('requests')
@Controller('v1/requests/:id/decisions')
@SignedIn()
export class DecisionsController {
  constructor(
    private readonly writes: Writes,
    private readonly decisions: DecisionsService,
    private readonly view: RequestsView,
  ) {}

  @Post()
  @Repeatable()
  @Answers(201, request)
  decide(
    @Context() context: RequestContext,
    @Param({ schema: idParameter }) { id }: z.infer<typeof idParameter>,
    @Body({ schema: decide }) order: z.infer<typeof decide>,
  ): Promise<RequestView> {
    return this.writes.run(context, async (tx) => {
      await this.decisions.decide(tx, context.asker, id, order);
      return this.view.get(tx, context.asker, id);
    });
  }
}
