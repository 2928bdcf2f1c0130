import { Controller, Get, Inject } from '@nestjs/common';
import { ApiBearerAuth, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import type { Caller } from '@app/identity';
import { SignedIn } from '@app/platform/http';
import { CurrentCaller } from './current-caller';
import { Memberships } from './memberships';
import { me } from './sign-in.schemas';

@ApiTags('sign-in')
@ApiBearerAuth()
@Controller('v1/me')
export class MeController {
  constructor(@Inject(Memberships) private readonly memberships: Memberships) {}

  /** Who I am to Curfew, and until when. */
  @Get()
  @SignedIn()
  @ApiResponse({ status: 200, standardSchema: me })
  async me(@CurrentCaller() caller: Caller): Promise<z.infer<typeof me>> {
    return shownCaller(caller, await this.memberships.of(caller));
  }
}

const shownCaller = (caller: Caller, groups: readonly string[]): z.infer<typeof me> => ({
  id: caller.identityId,
  kind: caller.kind,
  connection: caller.connection,
  subject: caller.subject,
  name: caller.name,
  email: caller.email,
  groups: [...groups],
  signIn: {
    id: caller.signInId,
    signedInAt: caller.signedInAt.toISOString(),
    endsAt: caller.signInEndsAt.toISOString(),
  },
});
