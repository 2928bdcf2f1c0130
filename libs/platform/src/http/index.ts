export { clientAddress } from './client-address';
export { HEALTH_CHECKS, HealthController, type CheckResult, type HealthCheck } from './health';
export { askedGauge, createMetrics, type Metrics } from './metrics';
export { type Problem } from './problem';
export { ProblemFilter } from './problem.filter';
export { Public, ROUTE_RULE, SignedIn, type RouteRule } from './public';
export { createEdge, serve, type ServeOptions } from './serve';
export { takesChanges } from './takes-changes';
export { inputValidation, InvalidInput } from './validation';
