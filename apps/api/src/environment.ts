/** The token of this process' {@link import('@app/platform').ApiEnvironment}. */
export const API_ENVIRONMENT = Symbol('API environment');
