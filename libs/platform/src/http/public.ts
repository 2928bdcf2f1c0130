import { SetMetadata } from '@nestjs/common';

/** Who may call a route: `public` is everybody, `signed-in` anybody with a token; what they may do there the policies say. */
export type RouteRule = 'public' | 'signed-in';

export const ROUTE_RULE = Symbol('route rule');

/** For everybody, without a token. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(ROUTE_RULE, 'public' satisfies RouteRule);

/** For anybody who is signed in. */
export const SignedIn = (): MethodDecorator & ClassDecorator =>
  SetMetadata(ROUTE_RULE, 'signed-in' satisfies RouteRule);
