import { Controller, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { CredentialsService, GrantsService, GrantsView, type GrantLife, type GrantView, type Page } from '@app/access';
import { SignedIn } from '@app/platform/http';
import { Answers } from '../edge/answers';
import { Limited } from '../edge/rate-limits';
import { Reads } from '../edge/reads';
import { Context, type RequestContext } from '../edge/request-context';
import { idParameter } from '../edge/schemas';
import { Repeatable, Writes } from '../edge/writes';
import { grantLife, grantPage, listGrants, pickedUp } from './grants.schemas';

type Id = z.infer<typeof idParameter>;

@ApiTags('grants')
@Controller('v1/grants')
@SignedIn()
export class GrantsController {
  constructor(
    private readonly reads: Reads,
    private readonly writes: Writes,
    private readonly grants: GrantsService,
    private readonly view: GrantsView,
  ) {}

  @Get()
  @Answers(200, grantPage)
  list(
    @Context() { asker }: RequestContext,
    @Query({ schema: listGrants }) filter: z.infer<typeof listGrants>,
  ): Promise<Page<GrantView>> {
    return this.reads.run((manager) => this.view.list(manager, asker, filter));
  }

  @Get(':id')
  @Answers(200, grantLife)
  get(@Context() { asker }: RequestContext, @Param({ schema: idParameter }) { id }: Id): Promise<GrantLife> {
    return this.reads.run((manager) => this.view.get(manager, asker, id));
  }

  @Post(':id/release')
  @Repeatable()
  @HttpCode(200)
  @Answers(200, grantLife)
  release(@Context() context: RequestContext, @Param({ schema: idParameter }) { id }: Id): Promise<GrantLife> {
    return this.writes.run(context, async (tx) => {
      await this.grants.release(tx, context.asker, id);
      return this.view.get(tx, context.asker, id);
    });
  }

  @Post(':id/revocation')
  @Repeatable()
  @HttpCode(200)
  @Answers(200, grantLife)
  revoke(@Context() context: RequestContext, @Param({ schema: idParameter }) { id }: Id): Promise<GrantLife> {
    return this.writes.run(context, async (tx) => {
      await this.grants.revoke(tx, context.asker, id);
      return this.view.get(tx, context.asker, id);
    });
  }
}

/** What a grant hands over: once, so without an idempotency key. */
@ApiTags('grants')
@Controller('v1/grants/:id/credential')
@SignedIn()
export class CredentialsController {
  constructor(
    private readonly writes: Writes,
    private readonly credentials: CredentialsService,
    private readonly view: GrantsView,
  ) {}

  @Post()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store') // nobody on its way keeps it
  @Limited('pick-up')
  @Answers(200, pickedUp)
  async pickUp(
    @Context() context: RequestContext,
    @Param({ schema: idParameter }) { id }: Id,
  ): Promise<z.infer<typeof pickedUp>> {
    const { pickUp, endsAt } = await this.writes.once(context, async (tx) => ({
      pickUp: await this.credentials.pickUp(tx, context.asker, id),
      endsAt: (await this.view.get(tx, context.asker, id)).endsAt,
    }));
    // The refusal is an event of its own: thrown when it is committed.
    if ('refused' in pickUp) throw pickUp.refused;
    return { ...pickUp.credential.reveal(), endsAt: endsAt.toISOString() };
  }

  @Post('replacement')
  @Repeatable()
  @HttpCode(202)
  @Limited('pick-up')
  @Answers(202, grantLife)
  replace(@Context() context: RequestContext, @Param({ schema: idParameter }) { id }: Id): Promise<GrantLife> {
    return this.writes.run(context, async (tx) => {
      await this.credentials.replace(tx, context.asker, id);
      return this.view.get(tx, context.asker, id);
    });
  }
}
