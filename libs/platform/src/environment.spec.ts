import { describe, expect, it } from 'vitest';
import { apiEnvironment, InvalidEnvironment, readEnvironment, workerEnvironment } from './environment';

const NEEDED = {
  DATABASE_URL: 'postgresql://curfew_api@127.0.0.1/curfew',
  PUBLIC_URL: 'https://curfew.example',
  SEALING_KEY_FILE: '/keys/sealing.key',
};
const read = (more: NodeJS.ProcessEnv) => readEnvironment(apiEnvironment, { ...NEEDED, ...more });
const problemsOf = (more: NodeJS.ProcessEnv): readonly unknown[] => {
  try {
    read(more);
    return [];
  } catch (error) {
    if (error instanceof InvalidEnvironment) return error.details['problems'] as string[];
    throw error;
  }
};

describe('the environment of the api', () => {
  it('believes no proxy unless told', () => {
    expect(read({}).TRUSTED_PROXIES).toBeUndefined();
    expect(read({ TRUSTED_PROXIES: '10.1.2.3, fd00::/8,192.168.0.0/16' }).TRUSTED_PROXIES).toEqual([
      '10.1.2.3',
      'fd00::/8',
      '192.168.0.0/16',
    ]);
  });

  it.each([
    'loopback',
    '10.0.0.0/33',
    '10.0.0',
    '10.0.0.1,,10.0.0.2',
    'proxy.example',
    '0.0.0.0/0',
    '::/0',
    'true',
    '1',
  ])('refuses %j as proxies', (proxies) => {
    expect(problemsOf({ TRUSTED_PROXIES: proxies })).toEqual([expect.stringMatching(/^TRUSTED_PROXIES/)]);
  });

  it.each(['0.0.0.0', '::', '10.0.0.5', 'curfew.example', '128.0.0.1'])(
    'refuses plain HTTP on %s in production, unless a certificate or a proxy encrypts it',
    (HOST) => {
      expect(problemsOf({ HOST })).toEqual([expect.stringMatching(/^HOST: plain HTTP/)]);
      expect(problemsOf({ HOST, CURFEW_ENV: 'development' })).toEqual([]);
      expect(problemsOf({ HOST, TLS_CERT_FILE: '/tls/cert.pem', TLS_KEY_FILE: '/tls/key.pem' })).toEqual([]);
      expect(problemsOf({ HOST, TRUSTED_PROXIES: '10.0.0.9' })).toEqual([]);
    },
  );

  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1'])('takes plain HTTP on %s', (HOST) => {
    expect(problemsOf({ HOST })).toEqual([]);
  });

  it('refuses a public address in the clear in production, unless it is this machine’s own', () => {
    expect(problemsOf({ PUBLIC_URL: 'http://curfew.example' })).toEqual([expect.stringMatching(/^PUBLIC_URL/)]);
    expect(problemsOf({ PUBLIC_URL: 'http://curfew.example', CURFEW_ENV: 'development' })).toEqual([]);
    for (const PUBLIC_URL of ['http://localhost:7420', 'http://[::1]:7420'])
      expect(problemsOf({ PUBLIC_URL })).toEqual([]);
  });

  it('names what is wrong in an address that is none', () => {
    expect(problemsOf({ PUBLIC_URL: 'nonsense', HOST: '0.0.0.0' })).toEqual([
      expect.stringMatching(/^PUBLIC_URL: /),
      expect.stringMatching(/^HOST: /),
    ]);
  });

  it('takes a certificate with its key, and neither alone', () => {
    expect(problemsOf({ TLS_CERT_FILE: '/tls/cert.pem' })).toEqual(['TLS_KEY_FILE is missing']);
    expect(problemsOf({ TLS_KEY_FILE: '/tls/key.pem' })).toEqual(['TLS_CERT_FILE is missing']);
  });

  it('names the file of a secret that cannot be read, and never what is in a variable', () => {
    expect(problemsOf({ OIDC_CLIENT_SECRET_FILE: '/nonexistent/sesame' })).toEqual([
      'OIDC_CLIENT_SECRET_FILE: the file cannot be read (ENOENT)',
    ]);
  });
});

describe('the environment of the worker', () => {
  it.each([
    ['zero', 'is not a whole number'],
    ['1.5', 'is not a whole number'],
    ['0', 'Too small: expected number to be >=1'],
  ])('says what is wrong with %j as a number', (WORKER_CONCURRENCY, why) => {
    const given = { ...NEEDED, PROOF_KEY_FILE: '/keys/proof.key', WORKER_CONCURRENCY };
    expect(() => readEnvironment(workerEnvironment, given)).toThrow(`WORKER_CONCURRENCY: ${why}`);
  });
});
