import { Controller, Get, HttpStatus, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { AppError } from '@app/kernel';
import { Public } from '@app/platform/http';

class NothingHere extends AppError {
  constructor() {
    super({
      kind: 'not_found',
      code: 'http.nothing_here',
      message: 'this address leads to nothing by itself',
      advice: 'The API is described in /openapi.json, and for a browser in /docs.',
    });
  }
}

/** Those of a page, though this is none. */
const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
} as const;

/** The address that people are told: a browser is led on to the pages of the API. Like those, it is not in the document. */
@ApiExcludeController()
@Controller()
@Public()
export class FrontDoorController {
  /** @throws NothingHere to whoever does not rather have a page */
  @Get()
  enter(@Req() request: Request, @Res() response: Response): void {
    response.set(HEADERS).vary('Accept');
    if (request.accepts(['json', 'html']) !== 'html') throw new NothingHere();
    response.status(HttpStatus.FOUND).location('docs').end();
  }
}
