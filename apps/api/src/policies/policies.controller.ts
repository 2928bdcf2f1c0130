import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { PoliciesView, type PolicyCheck, type PolicyReload } from '@app/access';
import { SignedIn } from '@app/platform/http';
import type { Explanation } from '@app/policy';
import { Answers } from '../edge/answers';
import { Reads } from '../edge/reads';
import { Context, type RequestContext } from '../edge/request-context';
import { Repeatable, Writes } from '../edge/writes';
import { PolicyFolder } from './policy-folder';
import { explain, explanation, policyCheck, policyFiles, policyReload, policyVersion } from './policies.schemas';

@ApiTags('policies')
@Controller('v1/policies')
@SignedIn()
export class PoliciesController {
  constructor(
    private readonly reads: Reads,
    private readonly writes: Writes,
    private readonly folder: PolicyFolder,
    private readonly view: PoliciesView,
  ) {}

  @Get()
  @Answers(200, policyVersion)
  current(): Promise<{ version: string; appliedAt: Date }> {
    return this.reads.run((manager) => this.view.current(manager));
  }

  @Post('checks')
  @HttpCode(200)
  @Answers(200, policyCheck)
  check(
    @Context() { asker }: RequestContext,
    @Body({ schema: policyFiles }) files: z.infer<typeof policyFiles>,
  ): Promise<PolicyCheck> {
    return this.reads.run((manager) => this.view.check(manager, asker, files));
  }

  @Post('reload')
  @Repeatable()
  @HttpCode(200)
  @Answers(200, policyReload)
  reload(@Context() context: RequestContext): Promise<PolicyReload> {
    return this.writes.run(context, (tx) => this.folder.reload(tx, context.asker));
  }

  @Post('explanations')
  @HttpCode(200)
  @Answers(200, explanation)
  explain(
    @Context() { asker }: RequestContext,
    @Body({ schema: explain }) question: z.infer<typeof explain>,
  ): Promise<Explanation> {
    return this.reads.run((manager) => this.view.explain(manager, asker, question));
  }
}
