// In plain JavaScript, for what runs before the packages are installed as well.
import { join, resolve } from 'node:path';

/** Where the person is: npm changes to the root, and says where it was called from. @param {NodeJS.ProcessEnv} environment */
export function calledFrom(environment) {
  return environment['INIT_CWD'] ?? process.cwd();
}

/**
 * Where the clone at `root` keeps everything it makes: `.curfew` in it, or `CURFEW_HOME`.
 *
 * @param {string} root @param {NodeJS.ProcessEnv} environment
 */
export function homeOf(root, environment) {
  const asked = environment['CURFEW_HOME'];
  return asked ? resolve(calledFrom(environment), asked) : join(root, '.curfew');
}
