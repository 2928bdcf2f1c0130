import { Body, Controller, Delete, HttpCode, HttpStatus, Inject, Param, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import type { z } from 'zod';
import { Recorder } from '@app/audit';
import { SignIns, type BegunSignIn, type Caller, type Collected } from '@app/identity';
import { Secret } from '@app/kernel';
import { Public, SignedIn } from '@app/platform/http';
import { Limited } from '../edge/rate-limits';
import { CurrentCaller } from './current-caller';
import { recordedFrom, RequestOrigin, type Origin } from './origin';
import { beginSignIn, begunSignIn, collectTokens, pendingSignIn, signInParameter, tokens } from './sign-in.schemas';
import { shownTokens } from './shown-tokens';

/** Signing in somewhere else than here, and signing out. */
@ApiTags('sign-in')
@Controller('v1/sign-ins')
export class SignInsController {
  constructor(
    @Inject(SignIns) private readonly signIns: SignIns,
    @Inject(Recorder) private readonly recorder: Recorder,
  ) {}

  /** Begins a sign-in: the person opens the address, the client polls for the tokens. */
  @Post()
  @Public()
  @Limited('sign-in')
  @ApiResponse({ status: 201, standardSchema: begunSignIn })
  async begin(
    @Body({ schema: beginSignIn }) body: z.infer<typeof beginSignIn>,
    @RequestOrigin() origin: Origin,
  ): Promise<z.infer<typeof begunSignIn>> {
    return shownSignIn(await this.signIns.begin(recordedFrom(this.recorder, origin), body));
  }

  /** Hands over the tokens, once; 202 for as long as the person is not done. */
  @Post(':id/tokens')
  @Public()
  @Limited('tokens')
  @HttpCode(HttpStatus.OK)
  @ApiResponse({ status: 200, standardSchema: tokens })
  @ApiResponse({ status: 202, standardSchema: pendingSignIn })
  async collect(
    @Param({ schema: signInParameter }) { id }: z.infer<typeof signInParameter>,
    @Body({ schema: collectTokens }) { handle }: z.infer<typeof collectTokens>,
    @RequestOrigin() origin: Origin,
    @Res({ passthrough: true }) response: Response,
  ): Promise<z.infer<typeof tokens> | z.infer<typeof pendingSignIn>> {
    return shown(await this.signIns.collect(recordedFrom(this.recorder, origin), id, new Secret(handle)), response);
  }

  /** Signs out: ends this sign-in and all its tokens. */
  @Delete('current')
  @SignedIn()
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiBearerAuth()
  @ApiResponse({ status: 204 })
  async signOut(@CurrentCaller() caller: Caller, @RequestOrigin() origin: Origin): Promise<void> {
    await this.signIns.signOut(recordedFrom(this.recorder, origin), caller);
  }
}

const shownSignIn = (begun: BegunSignIn): z.infer<typeof begunSignIn> => ({
  id: begun.id,
  handle: begun.handle.reveal(),
  userCode: begun.userCode,
  verificationUri: begun.verificationUri,
  ...(begun.verificationUriComplete === undefined ? {} : { verificationUriComplete: begun.verificationUriComplete }),
  intervalSeconds: begun.intervalSeconds,
  expiresInSeconds: begun.expiresInSeconds,
});

function shown(collected: Collected, response: Response): z.infer<typeof tokens> | z.infer<typeof pendingSignIn> {
  if (collected.state === 'completed') return shownTokens(collected.tokens, response);
  const { retryAfterSeconds } = collected;
  response.status(HttpStatus.ACCEPTED).setHeader('Retry-After', retryAfterSeconds);
  return { state: 'pending', retryAfterSeconds };
}
