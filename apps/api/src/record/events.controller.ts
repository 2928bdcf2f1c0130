import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { RecordView } from '@app/access';
import type { RecordedEvent } from '@app/audit';
import { SignedIn } from '@app/platform/http';
import { Answers } from '../edge/answers';
import { Reads } from '../edge/reads';
import { Context, type RequestContext } from '../edge/request-context';
import { eventList, listEvents } from './events.schemas';

@ApiTags('audit')
@Controller('v1/audit/events')
@SignedIn()
export class EventsController {
  constructor(
    private readonly reads: Reads,
    private readonly view: RecordView,
  ) {}

  @Get()
  @Answers(200, eventList)
  async list(
    @Context() { asker }: RequestContext,
    @Query({ schema: listEvents }) { subject, ...filter }: z.infer<typeof listEvents>,
  ): Promise<{ items: RecordedEvent[] }> {
    return {
      items: await this.reads.run((manager) => this.view.list(manager, asker, { ...filter, subjectId: subject })),
    };
  }
}
