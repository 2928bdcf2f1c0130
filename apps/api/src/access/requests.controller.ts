import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { RequestsService, RequestsView, type Page, type RequestView } from '@app/access';
import { Secret } from '@app/kernel';
import type { Transaction } from '@app/platform';
import { SignedIn } from '@app/platform/http';
import { Answers } from '../edge/answers';
import { Reads } from '../edge/reads';
import { Context, type RequestContext } from '../edge/request-context';
import { idParameter } from '../edge/schemas';
import { Repeatable, Writes } from '../edge/writes';
import { listRequests, openRequest, request, requestPage } from './requests.schemas';

@ApiTags('requests')
@Controller('v1/requests')
@SignedIn()
export class RequestsController {
  constructor(
    private readonly reads: Reads,
    private readonly writes: Writes,
    private readonly requests: RequestsService,
    private readonly view: RequestsView,
  ) {}

  @Post()
  @Repeatable()
  @Answers(201, request)
  open(
    @Context() context: RequestContext,
    @Body({ schema: openRequest }) { reason, ...order }: z.infer<typeof openRequest>,
  ): Promise<RequestView> {
    return this.writes.run(context, async (tx) =>
      this.#view(tx, context, await this.requests.open(tx, context.asker, { ...order, reason: new Secret(reason) })),
    );
  }

  @Get()
  @Answers(200, requestPage)
  list(
    @Context() { asker }: RequestContext,
    @Query({ schema: listRequests }) filter: z.infer<typeof listRequests>,
  ): Promise<Page<RequestView>> {
    return this.reads.run((manager) => this.view.list(manager, asker, filter));
  }

  @Get(':id')
  @Answers(200, request)
  get(
    @Context() { asker }: RequestContext,
    @Param({ schema: idParameter }) { id }: z.infer<typeof idParameter>,
  ): Promise<RequestView> {
    return this.reads.run((manager) => this.view.get(manager, asker, id));
  }

  @Post(':id/withdrawal')
  @Repeatable()
  @HttpCode(200)
  @Answers(200, request)
  withdraw(
    @Context() context: RequestContext,
    @Param({ schema: idParameter }) { id }: z.infer<typeof idParameter>,
  ): Promise<RequestView> {
    return this.writes.run(context, async (tx) => {
      await this.requests.withdraw(tx, context.asker, id);
      return this.#view(tx, context, id);
    });
  }

  #view(tx: Transaction, { asker }: RequestContext, id: string): Promise<RequestView> {
    return this.view.get(tx, asker, id);
  }
}
