import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anApiApp, type ApiApp } from '../../../../test/support/api-app';

const CHROMIUM = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const PAGE_HEADERS = {
  'content-security-policy': expect.stringMatching(/^default-src 'none';.* frame-ancestors 'none'$/),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  vary: 'Accept',
};

describe('the address without a path', () => {
  let api: ApiApp;
  beforeAll(async () => {
    api = await anApiApp();
  });
  afterAll(() => api?.close());

  const enter = (accept?: string, path = '/') =>
    api.send({ method: 'GET', path, headers: accept === undefined ? {} : { accept } });

  it.each([CHROMIUM, 'text/html', 'text/html, application/json;q=0.9'])('leads %s to a page', async (accept) => {
    const { status, headers, text } = await enter(accept);
    expect({ status, text }).toEqual({ status: 302, text: '' });
    expect(headers).toMatchObject({ ...PAGE_HEADERS, location: 'docs' });
    const page = await enter(accept, `/${headers.location}`);
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': expect.stringMatching(/^text\/html/) } });
  });

  it.each([undefined, '*/*', 'application/json', 'application/problem+json', 'image/png', ''])(
    'is a problem, with a way out, for %s',
    async (accept) => {
      const { status, headers, text } = await enter(accept);
      expect(status).toBe(404);
      expect(headers).toMatchObject({
        ...PAGE_HEADERS,
        'content-type': expect.stringMatching(/^application\/problem\+json/),
      });
      expect(headers.location).toBeUndefined();
      expect(JSON.parse(text)).toMatchObject({
        code: 'http.nothing_here',
        detail: expect.stringContaining('/openapi.json'),
      });
    },
  );

  it('is for everybody, and like the pages it is not in the document', async () => {
    const { paths } = JSON.parse((await enter('application/json', '/openapi.json')).text) as { paths: object };
    expect(Object.keys(paths)).not.toContain('/');
  });
});
