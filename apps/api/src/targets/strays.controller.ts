import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { StraysService, type Strays } from '@app/access';
import { SignedIn } from '@app/platform/http';
import { Answers } from '../edge/answers';
import { Reads } from '../edge/reads';
import { Context, type RequestContext } from '../edge/request-context';
import { Repeatable, Writes } from '../edge/writes';
import { confirmStrays, strays } from './strays.schemas';
import { targetParameter } from './targets.schemas';

type Name = z.infer<typeof targetParameter>;

@ApiTags('targets')
@Controller('v1/targets/:name/strays')
@SignedIn()
export class StraysController {
  constructor(
    private readonly reads: Reads,
    private readonly writes: Writes,
    private readonly strays: StraysService,
  ) {}

  @Get()
  @Answers(200, strays)
  list(@Context() { asker }: RequestContext, @Param({ schema: targetParameter }) { name }: Name): Promise<Strays> {
    return this.reads.run((manager) => this.strays.list(manager, asker, name));
  }

  @Post('confirmation')
  @Repeatable()
  @HttpCode(200)
  @Answers(200, strays)
  confirm(
    @Context() context: RequestContext,
    @Param({ schema: targetParameter }) { name }: Name,
    @Body({ schema: confirmStrays }) { strays: ids }: z.infer<typeof confirmStrays>,
  ): Promise<Strays> {
    return this.writes.run(context, async (tx) => {
      await this.strays.confirm(tx, context.asker, name, ids);
      return this.strays.list(tx, context.asker, name);
    });
  }
}
