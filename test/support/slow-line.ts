import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const TERMINATE = 'X'.charCodeAt(0);
/** What a PostgreSQL client sends when it is let in: a statement, plain or in parts. */
const STATEMENTS = ['Q', 'P', 'B', 'E', 'S'].map((letter) => letter.charCodeAt(0));

/** A line to a PostgreSQL server that can be made slow, or dead, and well again. */
export class SlowLine {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** How long the answer to a statement takes, in milliseconds; logging in is as fast as ever. */
  delayMs = 0;
  /** Connections are taken, and nothing is answered. */
  dead = false;

  /** The line breaks once after so many messages of its clients: the last one arrives, and its answer does not. */
  breaksAfter: number | undefined;

  private constructor(to: { host: string; port: number }) {
    this.#server = createServer((client) => this.#join(client, connect(to.port, to.host)));
  }

  static async to(server: { host: string; port: number }): Promise<SlowLine> {
    const line = new SlowLine(server);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** From now on it is as good as new; what waited for an answer does not get it any more. */
  mend(): void {
    this.delayMs = 0;
    this.dead = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    const closed = new AbortController();
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        closed.abort();
      });
    }
    let isIn = false;
    client.on('data', (chunk) => {
      isIn ||= STATEMENTS.includes(chunk[0]!);
      if (this.breaksAfter !== undefined && chunk[0] !== TERMINATE && this.breaksAfter-- === 0) {
        this.breaksAfter = undefined;
        client.destroy();
        server.removeAllListeners('close').end(chunk);
        return;
      }
      // A goodbye is heard at once.
      if (chunk[0] === TERMINATE || !this.dead) server.write(chunk);
    });
    let sent = Promise.resolve();
    server.on('data', (chunk) => {
      const delay = isIn ? this.delayMs : 0;
      sent = sent
        .then(() => (delay > 0 ? pause(delay, undefined, { signal: closed.signal }) : undefined))
        .then(
          () => void (this.dead || client.write(chunk)),
          () => undefined,
        );
    });
    client.on('close', () => server.destroySoon());
    server.on('close', () => client.destroy());
  }
}
