import { randomUUID } from 'node:crypto';
import { IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { badRequest, ProblemError, unsupportedType } from '@muster/core/errors';
import { plainProblem } from './problem.filter';

/** What the HTTP server takes from one client, in bytes and milliseconds. */
export interface ServerLimits {
  /** Largest JSON body. Files come by multipart, with limits of their own. */
  body: number;
  /** Request line and headers together; more is 431. */
  headers: number;
  /** Longest address, its query included; more is 414. */
  url: number;
  /** How long the headers may take, and the whole request; then 408. */
  headersTimeout: number;
  requestTimeout: number;
  /** How long a connection may stand still in mid-request or mid-answer; then it is cut. */
  idleTimeout: number;
  /** How long a connection is kept for the next request. */
  keepAliveTimeout: number;
  /** How often the two times of a request are looked at. */
  checkInterval: number;
}

export const LIMITS: ServerLimits = {
  body: 1024 * 1024,
  headers: 16 * 1024,
  url: 8 * 1024,
  headersTimeout: 15_000,
  requestTimeout: 300_000,
  idleTimeout: 60_000,
  keepAliveTimeout: 65_000,
  checkInterval: 5_000,
};

/** What every answer has that is no page for people: browsers run, frame and keep nothing of it. */
export const DATA_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

const HOST = /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i;
/** What bodies may be; how each is read is decided later. */
const BODY_TYPE = /^(application\/json|multipart\/form-data)\s*(;|$)/i;

/**
 * Refuses what is wrong with a request before its body is read: its host, the length of its address, the type of its body.
 * @param takesBytes whether the body may be of any type
 * @throws 400 `malformed`, 414 `address-too-long`, 415 `unsupported-media-type`
 */
export function checkHead(
  { headers, rawHeaders, httpVersion, url = '' }: IncomingMessage,
  limits: ServerLimits,
  takesBytes = false,
): void {
  const { host } = headers;
  if (host === undefined ? httpVersion === '1.1' : !HOST.test(host)) {
    throw badRequest('malformed', 'The Host header names no host.');
  }
  // Node.js keeps the first and passes over the others; a proxy before it may have gone by another one.
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.length === 4 && name.toLowerCase() === 'host');
  if (hosts.length > 1) throw badRequest('malformed', 'The Host header is given twice.');
  if (url.length > limits.url) {
    throw new ProblemError('user', 414, 'address-too-long', `An address may have at most ${limits.url} characters.`);
  }
  const hasBody = Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined;
  if (hasBody && !takesBytes && !BODY_TYPE.test(headers['content-type'] ?? '')) {
    throw unsupportedType('unsupported-media-type', 'A body is application/json, or multipart/form-data with files.');
  }
}

const STATUSES: Record<string, [status: number, detail: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: [431, 'The address and headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of a chunk are too large.'],
};

/** Answers what Node.js could not read as a request, or not in time, and ends the connection. */
export function refuseClient(error: NodeJS.ErrnoException, socket: Socket): void {
  const pending = (socket as { _httpMessage?: { _headerSent?: boolean } })._httpMessage;
  if (error.code !== 'ECONNRESET' && socket.writable && !pending?._headerSent) {
    const [status, detail] = STATUSES[error.code ?? ''] ?? [400, 'This is no HTTP request.'];
    socket.write(rawProblem(status, detail));
  }
  socket.destroy();
}

/** A whole answer with a problem, as bytes for a connection that is ended after it. */
function rawProblem(status: number, detail: string): string {
  const requestId = randomUUID();
  const body = JSON.stringify(plainProblem(status, detail, requestId));
  const headers = {
    ...DATA_HEADERS,
    'x-content-type-options': 'nosniff',
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`;
}

/** Answers an `Expect` header that asks for anything but `100-continue`. */
export function refuseExpectation({ socket }: IncomingMessage): void {
  socket.end(rawProblem(417, 'Only "Expect: 100-continue" is understood.'));
}
