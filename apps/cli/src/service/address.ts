import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../environment';
import { Failure, UsageError } from '../failure';
import type { LastService } from '../state/profile';

/** Where the service is, and who said so. */
export interface Address {
  readonly url: string;
  readonly from: 'option' | 'environment' | 'clone' | 'last sign-in';
}

/** `--url`, `CURFEW_URL`, the service of this clone (`run.json`), the service of the last sign-in: whichever is first. */
export function findService(option: string | undefined, environment: Environment, last: LastService): Address {
  const { url: variable, home, insecureHttp } = environment;
  if (option !== undefined) return { url: parseUrl(option, insecureHttp), from: 'option' };
  if (variable !== undefined) return { url: parseUrl(variable, insecureHttp), from: 'environment' };
  const ofClone = home === undefined ? undefined : runningIn(home);
  if (ofClone !== undefined) return { url: parseUrl(ofClone, insecureHttp), from: 'clone' };
  const remembered = last.read();
  if (remembered !== undefined) return { url: parseUrl(remembered, insecureHttp), from: 'last sign-in' };
  throw new Failure({
    kind: 'unavailable',
    code: 'cli.no_service',
    message: home === undefined ? 'which Curfew?' : 'Curfew does not run in this folder',
    advice: `${home === undefined ? '' : 'Start it with `npm start`, or '}${home === undefined ? 'Say' : 'say'} where it is: --url https://…, or CURFEW_URL.`,
  });
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** @throws UsageError for what is no address, and for one where everybody on the way could read the tokens */
export function parseUrl(text: string, insecureHttp: boolean): string {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new UsageError('not the address of a service', 'It looks like https://curfew.example.com.');
  if (url.username || url.password || url.search || url.hash)
    throw new UsageError(
      'the address of a service has no user, query or fragment',
      'It looks like https://curfew.example.com.',
    );
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname) && !insecureHttp)
    throw new UsageError(
      'plain HTTP to another machine shows your tokens to everybody on the way',
      'Use https://. If the way is safe, set CURFEW_INSECURE_HTTP=1.',
    );
  return url.href.replace(/\/+$/, '');
}

/** The address that `npm start` wrote down, if it runs. */
function runningIn(home: string): string | undefined {
  try {
    const { url } = JSON.parse(readFileSync(join(home, 'run.json'), 'utf8')) as { url?: unknown };
    return typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}
