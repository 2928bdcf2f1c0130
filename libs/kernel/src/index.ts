export { AppError, ERROR_KINDS, type ErrorFacts, type ErrorKind } from './app-error';
export { Clock } from './clock';
export { formatDuration, InvalidDuration, MAX_DURATION_SECONDS, parseDuration } from './duration';
export { failpoint, setTrap } from './failpoint';
export { defineMachine, ImpossibleTransition, type EventOf, type Machine, type StateOf } from './machine';
export { ENTITLEMENT_NAME, NAME, NAME_WORDS } from './name';
export { Secret } from './secret';
