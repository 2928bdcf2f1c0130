import { Body, Controller, HttpCode, HttpStatus, Inject, Post, Res } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import type { z } from 'zod';
import { Recorder } from '@app/audit';
import { Tokens } from '@app/identity';
import { Secret } from '@app/kernel';
import { Public } from '@app/platform/http';
import { Limited } from '../edge/rate-limits';
import { recordedFrom, RequestOrigin, type Origin } from './origin';
import { refreshTokens, tokens } from './sign-in.schemas';
import { shownTokens } from './shown-tokens';

@ApiTags('sign-in')
@Controller('v1/tokens')
export class TokensController {
  constructor(
    @Inject(Tokens) private readonly tokens: Tokens,
    @Inject(Recorder) private readonly recorder: Recorder,
  ) {}

  /** The next pair of tokens. The refresh token proves itself; two uses of one end the sign-in. */
  @Post()
  @Public()
  @Limited('tokens')
  @HttpCode(HttpStatus.OK)
  @ApiResponse({ status: 200, standardSchema: tokens })
  async refresh(
    @Body({ schema: refreshTokens }) { refreshToken }: z.infer<typeof refreshTokens>,
    @RequestOrigin() origin: Origin,
    @Res({ passthrough: true }) response: Response,
  ): Promise<z.infer<typeof tokens>> {
    const pair = await this.tokens.refresh(recordedFrom(this.recorder, origin), new Secret(refreshToken));
    return shownTokens(pair, response);
  }
}
