import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Response } from 'express';
import type { Logger } from 'pino';
import { AppError } from '@app/kernel';
import { currentCorrelation } from '../log';
import { DatabaseAway, isDatabaseAway } from '../database-away';
import { plainProblem, problemOf, type Problem } from './problem';

/** Turns everything thrown into a problem, and logs what nobody expected. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    const problem = this.#problem(error);
    if (problem.status >= 500) this.log.error({ err: error }, problem.title);
    else this.log.info({ code: problem.code, status: problem.status }, problem.title);
    if (response.headersSent) return void response.end();
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer error="invalid_token"');
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  }

  #problem(error: unknown): Problem {
    const requestId = currentCorrelation() ?? 'unknown';
    if (error instanceof AppError) return problemOf(error, requestId);
    if (error instanceof HttpException) return plainProblem(error.getStatus(), requestId);
    if (isDatabaseAway(error)) return problemOf(new DatabaseAway(error), requestId);
    // body-parser's errors carry their status.
    const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
    return plainProblem(status >= 400 && status < 500 ? status : 500, requestId);
  }
}
