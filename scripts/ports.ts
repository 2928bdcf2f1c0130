import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** Takes a port on the loopback for a moment: which one it was, or `undefined` when somebody else has it. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}

export async function isFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined;
}

/** A port that nobody had a moment ago: whoever uses it must be ready to lose it to somebody faster, and ask again. */
export async function freePort(): Promise<number> {
  const port = await tryPort(0);
  if (port === undefined) throw new Error('no free port on the loopback');
  return port;
}

/** The wanted port when it is free, the first free one of the next few after it, or any. */
export async function freePortNear(wanted: number): Promise<number> {
  for (let port = wanted; port < Math.min(wanted + 20, 65_536); port += 1) {
    if (await isFree(port)) return port;
  }
  return freePort();
}
