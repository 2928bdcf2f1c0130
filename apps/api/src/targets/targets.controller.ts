import { Body, Controller, Get, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { TargetsService, TargetsView, type TargetView } from '@app/access';
import { Secret } from '@app/kernel';
import { SignedIn } from '@app/platform/http';
import type { CheckReport } from '@app/providers';
import { Answers } from '../edge/answers';
import { Reads } from '../edge/reads';
import { Context, type RequestContext } from '../edge/request-context';
import { Repeatable, Writes } from '../edge/writes';
import { checkReport, putTarget, replaceTarget, target, targetList, targetParameter } from './targets.schemas';

type Name = z.infer<typeof targetParameter>;
type PutTarget = z.infer<typeof putTarget>;

@ApiTags('targets')
@Controller('v1/targets')
@SignedIn()
export class TargetsController {
  constructor(
    private readonly reads: Reads,
    private readonly writes: Writes,
    private readonly targets: TargetsService,
    private readonly view: TargetsView,
  ) {}

  @Get()
  @Answers(200, targetList)
  async list(@Context() { asker }: RequestContext): Promise<{ items: TargetView[] }> {
    return { items: await this.reads.run((manager) => this.view.list(manager, asker)) };
  }

  @Get(':name')
  @Answers(200, target)
  get(@Context() { asker }: RequestContext, @Param({ schema: targetParameter }) { name }: Name): Promise<TargetView> {
    return this.reads.run((manager) => this.view.get(manager, asker, name));
  }

  @Post()
  @Repeatable()
  @Answers(201, target)
  add(
    @Context() context: RequestContext,
    @Body({ schema: putTarget }) { file, password }: PutTarget,
  ): Promise<TargetView> {
    return this.writes.run(context, async (tx) => {
      const name = await this.targets.add(tx, context.asker, { file, password: new Secret(password) });
      return this.view.get(tx, context.asker, name);
    });
  }

  @Put(':name')
  @Repeatable()
  @Answers(200, target)
  replace(
    @Context() context: RequestContext,
    @Param({ schema: targetParameter }) { name }: Name,
    @Body({ schema: replaceTarget }) { password, ...order }: z.infer<typeof replaceTarget>,
  ): Promise<TargetView> {
    return this.writes.run(context, async (tx) => {
      await this.targets.replace(tx, context.asker, { ...order, name, password: new Secret(password) });
      return this.view.get(tx, context.asker, name);
    });
  }

  @Post(':name/checks')
  @HttpCode(200)
  @Answers(200, checkReport)
  check(
    @Context() { asker }: RequestContext,
    @Param({ schema: targetParameter }) { name }: Name,
  ): Promise<CheckReport> {
    return this.reads.run((manager) => this.targets.check(manager, asker, name));
  }
}
