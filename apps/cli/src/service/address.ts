import type { Environment } from '../environment';
import { Failure, UsageError } from '../failure';
import type { LastService } from '../state/profile';
import { findClone } from './clone';

/** Where the service is, and who said so. */
export interface Address {
  readonly url: string;
  readonly from: 'option' | 'environment' | 'clone' | 'last sign-in';
  /** What its sign-ins are kept under: no two services have it in common. */
  readonly service: string;
  /** Where it is by now. @throws ServiceUnavailable when it is nowhere */
  readonly locate: () => string;
}

/** `--url`, `CURFEW_URL`, the service of this clone (`run.json`), the service of the last sign-in: whichever is first. */
export function findService(option: string | undefined, environment: Environment, last: LastService): Address {
  const { url: variable, home, insecureHttp } = environment;
  const at = (text: string, from: Address['from']): Address => {
    const url = parseUrl(text, insecureHttp);
    return { url, from, service: url, locate: () => url };
  };
  if (option !== undefined) return at(option, 'option');
  if (variable !== undefined) return at(variable, 'environment');
  const clone = home === undefined ? undefined : findClone(home);
  if (clone !== undefined) return { ...at(clone.url, 'clone'), service: clone.service, locate: clone.locate };
  const remembered = last.read();
  if (remembered !== undefined) return at(remembered, 'last sign-in');
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
