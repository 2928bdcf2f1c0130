import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A line to a server that breaks: after the given number of messages from the client it goes dead, when the server has
 * got the last message and before the client gets the answer. What a crash at each step looks like from outside.
 */
export class FragileLine {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #left: number;

  private constructor(to: { host: string; port: number }, messages: number) {
    this.#left = messages;
    this.#server = createServer((client) => this.#join(client, connect(to.port, to.host)));
  }

  static async to(server: { host: string; port: number }, messages: number): Promise<FragileLine> {
    const line = new FragileLine(server, messages);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get broken(): boolean {
    return this.#left < 0;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
    }
    client.on('data', (chunk) => {
      // A goodbye is no step.
      if (chunk[0] === 'X'.charCodeAt(0) || this.#left > 0) {
        if (chunk[0] !== 'X'.charCodeAt(0)) this.#left -= 1;
        server.write(chunk);
      } else this.#break(client, server, chunk);
    });
    server.on('data', (chunk) => client.write(chunk));
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }

  #break(client: Socket, server: Socket, chunk: Buffer): void {
    this.#left = -1;
    client.removeAllListeners('close');
    server.removeAllListeners('data');
    server.end(chunk);
    client.destroy();
  }
}
