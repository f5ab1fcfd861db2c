import { once } from 'node:events';
import { createServer, request } from 'node:http';

const answerWith = (status, code) => (proxy, incoming, outgoing) => {
  incoming.resume();
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>planted</Message></Error>`;
  outgoing.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) });
  outgoing.end(body);
};

/** The answer's head as it is, half of its body, and then the end that `cut` makes. */
const halfOf = (cut) => (proxy, incoming, outgoing) =>
  proxy.forward(incoming, outgoing, (answer) => {
    const length = Number(answer.headers['content-length']);
    outgoing.writeHead(answer.statusCode, answer.headers);
    let left = Math.floor(length / 2);
    answer.on('data', (bytes) => {
      if (left <= 0) return;
      const part = bytes.subarray(0, left);
      left -= part.length;
      outgoing.write(part, () => left <= 0 && cut(outgoing.socket));
    });
  });

/** What may become of a request. */
const MISHAPS = {
  'answers 500': answerWith(500, 'InternalError'),
  'answers 503 SlowDown': answerWith(503, 'SlowDown'),
  'resets the connection': (proxy, incoming) => incoming.socket.resetAndDestroy(),
  'does it and loses the answer': (proxy, incoming, outgoing) =>
    proxy.forward(incoming, outgoing, (answer) => {
      answer.resume();
      answer.on('end', () => incoming.socket.resetAndDestroy());
    }),
  'ends half-way': halfOf((socket) => socket.end()),
  'is reset half-way': halfOf((socket) => socket.resetAndDestroy()),
};

/** Stands before an S3-compatible server. Requests pass as they are (their signatures hold), unless a mishap is planned. */
export class S3Proxy {
  /** @param {string} url of the server @returns {Promise<S3Proxy>} */
  static async before(url) {
    const proxy = new S3Proxy(new URL(url));
    await once(proxy.server.listen(0, '127.0.0.1'), 'listening');
    proxy.server.unref();
    return proxy;
  }

  constructor(target) {
    this.target = target;
    this.plan([]);
    this.server = createServer((incoming, outgoing) => this.handle(incoming, outgoing));
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  /** @param {[method: string, mishap: keyof typeof MISHAPS][]} mishaps each befalls one request, those of a method in this order */
  plan(mishaps) {
    this.waiting = [...mishaps];
  }

  handle(incoming, outgoing) {
    const { method } = incoming;
    const next = this.waiting.findIndex(([each]) => each === method);
    // Sockets are closed without a word in both directions; nobody here is to blame.
    for (const stream of [incoming, outgoing]) stream.on('error', () => undefined);
    if (next === -1) return this.forward(incoming, outgoing);
    const [[, mishap]] = this.waiting.splice(next, 1);
    MISHAPS[mishap](this, incoming, outgoing);
  }

  forward(incoming, outgoing, onAnswer) {
    const { hostname, port } = this.target;
    const { method, url: path, rawHeaders } = incoming;
    const upstream = request({ hostname, port, method, path, headers: pairsOf(rawHeaders), setHost: false });
    upstream.on('error', () => outgoing.destroy());
    upstream.on('continue', () => outgoing.writeContinue());
    upstream.on('response', (answer) => {
      answer.on('error', () => outgoing.destroy());
      if (onAnswer) return onAnswer(answer);
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(upstream);
  }
}

function pairsOf(raw) {
  const headers = {};
  for (let i = 0; i < raw.length; i += 2) (headers[raw[i].toLowerCase()] ??= []).push(raw[i + 1]);
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.join(', ')]));
}
