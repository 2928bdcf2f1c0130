import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { Body, Controller, Get, Module, Post, Req } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request } from 'express';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { Certificate } from './certificate';
import { clientAddress } from './client-address';
import { Public } from './public';
import { createEdge } from './serve';

@Controller('who')
class WhoController {
  @Get()
  @Public()
  who(@Req() incoming: Request): { address: string | null } {
    return { address: clientAddress(incoming) ?? null };
  }

  @Post()
  @Public()
  tell(@Body() body: { reason: string }): { length: number } {
    return { length: body.reason.length };
  }
}

@Module({ controllers: [WhoController] })
class WhoModule {}

const log = pino({ level: 'silent' });
const opened: NestExpressApplication[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.close()));
});

async function anEdge(trustedProxies: readonly string[], host = '127.0.0.1') {
  const app = await createEdge({ module: WhoModule, log, trustedProxies });
  opened.push(app);
  await app.listen(0, host);
  const { port } = app.getHttpServer().address() as { port: number };
  return async (forwarded?: string) => {
    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
    const reply = await fetch(`http://${host === '::' ? '127.0.0.1' : host}:${port}/who`, { headers });
    return ((await reply.json()) as { address: string | null }).address;
  };
}

describe('the log of requests', () => {
  it('names the path that was called, without its query, and nothing that leads nowhere', async () => {
    const lines: string[] = [];
    const app = await createEdge({
      module: WhoModule,
      log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
      trustedProxies: [],
    });
    opened.push(app);
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as { port: number };
    for (const path of ['/who?token=pasted', '/pasted', '/who/pasted']) await fetch(`http://127.0.0.1:${port}${path}`);
    expect(lines.filter((line) => line.includes('"path":"/who"'))).toHaveLength(1);
    expect(lines.join('\n')).not.toContain('pasted');
  });
});

describe('a body', () => {
  const MOST = 256 * 1024;
  /** A body of exactly so many bytes. */
  const ofBytes = (bytes: number): string => JSON.stringify({ reason: 'x'.repeat(bytes - 13) });
  const post = async (body: string | Buffer | ReadableStream, encoding?: string) => {
    const app = await createEdge({ module: WhoModule, log });
    opened.push(app);
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as { port: number };
    const headers = { 'content-type': 'application/json', ...(encoding && { 'content-encoding': encoding }) };
    const reply = await fetch(`http://127.0.0.1:${port}/who`, { method: 'POST', headers, body, duplex: 'half' });
    return { status: reply.status, type: reply.headers.get('content-type'), says: (await reply.json()) as object };
  };

  it('is taken when it is as large as may be', async () => {
    expect(Buffer.byteLength(ofBytes(MOST))).toBe(MOST);
    expect(await post(ofBytes(MOST))).toMatchObject({ status: 201, says: { length: MOST - 13 } });
    expect(await post(gzipSync(ofBytes(MOST)), 'gzip')).toMatchObject({ status: 201 });
  });

  it.each<[string, () => Parameters<typeof post>]>([
    ['by its length', () => [ofBytes(MOST + 1)]],
    ['that does not say how long it is', () => [new Blob([ofBytes(MOST + 1)]).stream()]],
    ['that is small until it is unpacked', () => [gzipSync(ofBytes(MOST + 1)), 'gzip']],
  ])('is a problem when it is one byte larger: %s', async (_how, body) => {
    expect(await post(...body())).toMatchObject({
      status: 413,
      type: expect.stringMatching(/^application\/problem\+json/),
      says: { status: 413, code: 'http.payload_too_large', requestId: expect.any(String) },
    });
  });
});

describe('the client’s address', () => {
  it('is the other end of the connection, whatever somebody says who is not trusted', async () => {
    const who = await anEdge([]);
    expect(await who()).toBe('127.0.0.1');
    expect(await who('203.0.113.7')).toBe('127.0.0.1');
    expect(await (await anEdge(['10.0.0.0/8']))('203.0.113.7')).toBe('127.0.0.1');
  });

  it('is whom the nearest trusted proxy names, and not what the client wrote before that', async () => {
    const who = await anEdge(['127.0.0.0/8', '10.0.0.0/8']);
    expect(await who('203.0.113.7')).toBe('203.0.113.7');
    expect(await who('192.0.2.66, 203.0.113.7')).toBe('203.0.113.7');
    expect(await who('192.0.2.66, 203.0.113.7, 10.1.1.1')).toBe('203.0.113.7');
    expect(await who('2001:db8::7')).toBe('2001:db8::7');
  });

  it.each(['unknown', '203.0.113.7:4711', '_hidden', '203.0.113', ''])(
    'is not known when a trusted proxy passes on %j',
    async (forwarded) => {
      expect(await (await anEdge(['127.0.0.1']))(forwarded)).toBe(forwarded === '' ? '127.0.0.1' : null);
    },
  );

  it('is IPv4 when it is IPv4, on a socket for both as well', async () => {
    expect(await (await anEdge([], '::'))()).toBe('127.0.0.1');
    expect(await (await anEdge(['127.0.0.1'], '::'))('::ffff:203.0.113.7')).toBe('203.0.113.7');
  });
});

describe('a certificate', () => {
  const tls = resolve(import.meta.dirname, '../../../../test/support/tls');
  const folder = mkdtempSync(join(tmpdir(), 'curfew-tls-'));
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  const put = (name: string, at: number): void => {
    copyFileSync(join(tls, `${name}.pem`), files.certFile);
    copyFileSync(join(tls, `${name}.key`), files.keyFile);
    for (const file of [files.certFile, files.keyFile]) utimesSync(file, at, at);
  };
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** The name in the certificate of whoever answers. */
  const shown = (port: number): Promise<string> => {
    const { promise, resolve: done, reject } = Promise.withResolvers<string>();
    const options: RequestOptions = { port, path: '/who', rejectUnauthorized: false, agent: false };
    request(options, (reply) => {
      done((reply.socket as TLSSocket).getPeerCertificate().subject.CN as string);
      reply.resume();
    })
      .on('error', reject)
      .end();
    return promise;
  };

  it('is shown, is replaced when its files are, and stays when they are broken', async () => {
    put('server', 1_000);
    const errors: unknown[] = [];
    const certificate = new Certificate(files, (error) => void errors.push(error));
    const app = await createEdge({ module: WhoModule, log }, certificate.pem);
    opened.push(app);
    await app.listen(0, '127.0.0.1');
    const server = app.getHttpServer() as never;
    const { port } = app.getHttpServer().address() as { port: number };
    expect(await shown(port)).toBe('db.curfew.test');

    certificate.renew(server);
    expect(await shown(port)).toBe('db.curfew.test');

    // Half-way through a renewal: a certificate and the key of another one.
    copyFileSync(join(tls, 'renewed.pem'), files.certFile);
    certificate.renew(server);
    expect(errors).toHaveLength(1);
    expect(await shown(port)).toBe('db.curfew.test');

    put('renewed', 2_000);
    certificate.renew(server);
    expect(await shown(port)).toBe('renewed');

    writeFileSync(files.certFile, 'broken');
    certificate.renew(server);
    rmSync(files.keyFile);
    certificate.renew(server);
    expect(errors).toHaveLength(3);
    expect(await shown(port)).toBe('renewed');
  });

  it('that is not there refuses the start', () => {
    expect(() => new Certificate({ certFile: '/nowhere', keyFile: '/nowhere' }, () => undefined)).toThrow(
      expect.objectContaining({ code: 'platform.certificate_unreadable' }),
    );
  });
});
