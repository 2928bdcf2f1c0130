import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AccessTokenRefused, AccessTokens, Callers } from '@app/identity';
import { Secret } from '@app/kernel';
import { ROUTE_RULE, type RouteRule } from '@app/platform/http';
import type { SignedInRequest } from './current-caller';

/** RFC 6750, section 2.1. In the header, and nowhere else. */
const BEARER = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i;

/** Who may call a route at all. What they may do there, the policies say. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(AccessTokens) private readonly tokens: AccessTokens,
    @Inject(Callers) private readonly callers: Callers,
  ) {}

  /** @throws AccessTokenRefused */
  async canActivate(execution: ExecutionContext): Promise<boolean> {
    if (ruleOf(this.reflector, execution.getHandler(), execution.getClass()) === 'public') return true;
    const request = execution.switchToHttp().getRequest<SignedInRequest>();
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw new AccessTokenRefused();
    request.caller = await this.callers.get(await this.tokens.verify(new Secret(token)));
    return true;
  }
}

type Handler = Parameters<Reflector['get']>[1];

export function ruleOf(reflector: Reflector, handler: Handler, controller: Handler): RouteRule | undefined {
  return reflector.getAllAndOverride<RouteRule | undefined>(ROUTE_RULE, [handler, controller]);
}
