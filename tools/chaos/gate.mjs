import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A TCP port that leads to another one, and can fall silent as a network does: nothing is refused, nothing arrives. */
export class Gate {
  /** @param {number} port of a server on loopback @returns {Promise<Gate>} */
  static async to(port) {
    const gate = new Gate(port);
    await once(gate.server.listen(0, '127.0.0.1'), 'listening');
    gate.server.unref();
    return gate;
  }

  constructor(target) {
    this.target = target;
    this.silent = false;
    this.pairs = new Set();
    this.server = createServer({ allowHalfOpen: false }, (client) => this.accept(client));
  }

  get port() {
    return this.server.address().port;
  }

  accept(client) {
    const upstream = connect(this.target, '127.0.0.1');
    const pair = [client, upstream];
    this.pairs.add(pair);
    for (const [from, to] of [pair, [...pair].reverse()]) {
      // Bytes that come in silence are lost, as is the end of a connection.
      from.on('data', (bytes) => this.silent || to.write(bytes));
      from.on('error', () => undefined);
      from.on('close', () => {
        if (!this.silent) to.destroy();
        if (client.destroyed && upstream.destroyed) this.pairs.delete(pair);
      });
    }
  }

  /** From now on nothing passes. */
  silence() {
    this.silent = true;
  }

  /** Lets new connections pass; those that have lost bytes are reset. */
  open() {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
    this.pairs.clear();
    this.silent = false;
  }
}
