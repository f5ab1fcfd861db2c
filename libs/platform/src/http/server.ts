import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Config } from '../config/config';
import { Database } from '../database/database';
import { httpDuration } from '../observability/metrics';
import { logOf } from '../observability/logger';
import { withRequestId } from '../observability/request-context';
import { acceptIdempotencyKeys } from './idempotency';
import { readJson } from './json-body';
import { checkHead, DATA_HEADERS, LIMITS, refuseClient, refuseExpectation, ServerLimits } from './limits';
import { ProblemFilter } from './problem.filter';
import { addressKey, RateLimits } from './rate-limits';
import { validationPipe } from './validation';

export const API_PREFIX = 'api/v1';
const DOCS_PREFIX = '/api/docs';
/** Routes that take bytes as they are, whatever their type. */
const BYTES_PREFIX = `/${API_PREFIX}/files/uploads/`;
const BYTES_TYPE = 'application/octet-stream';
const REQUEST_ID = /^[\w.:-]{8,100}$/;

/** The HTTP server, which cuts off slow and endless clients and answers what it cannot read with a problem too. */
export const httpAdapter = (config: Config, limits: ServerLimits = LIMITS) =>
  new FastifyAdapter({
    bodyLimit: limits.body,
    connectionTimeout: limits.idleTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    http: {
      maxHeaderSize: limits.headers,
      headersTimeout: limits.headersTimeout,
      connectionsCheckingInterval: limits.checkInterval,
      // Node.js would answer a missing host without a body.
      requireHostHeader: false,
    },
    clientErrorHandler: refuseClient,
    // What the router refuses meets no hook.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      void reply.headers({ ...DATA_HEADERS, 'x-content-type-options': 'nosniff', 'x-request-id': request.id });
      new ProblemFilter().answer(error, request, reply);
    },
    routerOptions: { maxParamLength: 500 },
    trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false,
    genReqId: (request: IncomingMessage) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
  });

/** Everything that each HTTP process has in common: ids, logs, metrics, security headers, problems, validation. */
export async function prepareHttp(
  app: NestFastifyApplication,
  config: Config,
  limits: ServerLimits = LIMITS,
): Promise<void> {
  const log = logOf('http');
  const fastify = app.getHttpAdapter().getInstance();
  const rates = app.get(RateLimits, { strict: false });
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    withRequestId(request.id, done, isIP(request.ip) ? request.ip : null);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    httpDuration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    log.info({ method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request');
    done();
  });
  // Worked out once: the plugin would do so for each request.
  const docsPolicy = helmet.contentSecurityPolicy({
    directives: {
      defaultSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      scriptSrc: ["'self'", "'unsafe-inline'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      upgradeInsecureRequests: null,
    },
  });
  await app.register(helmet, {
    contentSecurityPolicy: false,
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: config.publicUrl?.startsWith('https:') ?? false,
  });
  fastify.addHook('onRequest', async (request, reply) => {
    // The route's own address: the one that was sent may be written in many ways.
    const route = request.routeOptions.url;
    reply.header('permissions-policy', 'camera=(), geolocation=(), microphone=(), payment=(), usb=()');
    if (route?.startsWith(DOCS_PREFIX)) docsPolicy(request.raw, reply.raw, () => undefined);
    else reply.headers(DATA_HEADERS);
    const takesBytes = route?.startsWith(BYTES_PREFIX) ?? false;
    if (takesBytes) request.raw.headers['content-type'] = BYTES_TYPE;
    checkHead(request.raw, limits, takesBytes);
    if (!route || route.startsWith(`/${API_PREFIX}`)) await rates.take('api', addressKey(request.ip));
  });
  fastify.server.on('checkExpectation', refuseExpectation);
  await app.register(cookie);
  await app.register(multipart, {
    limits: { fileSize: Number.MAX_SAFE_INTEGER, files: 10, fields: 20, fieldSize: limits.body, parts: 40 },
    throwFileSizeLimit: true,
  });
  // Left to the route, which reads the request itself.
  fastify.addContentTypeParser(BYTES_TYPE, (_request, _body, done) => done(null));
  const parse = fastify.getDefaultJsonParser('error', 'error');
  app.useBodyParser('application/json', { bodyLimit: limits.body }, (request, body, done) => {
    const read = (text: string) => {
      let result: unknown;
      // Answers before it returns.
      void parse(request as FastifyRequest, text, (error, value) => {
        if (error) throw error;
        result = value;
      });
      return result;
    };
    try {
      done(null, readJson(body, read));
    } catch (error) {
      done(error as Error);
    }
  });
  if (config.corsOrigins.length > 0) {
    const known = new Set(config.corsOrigins);
    app.enableCors({
      // An origin that is not in the list gets no CORS header at all.
      origin: (origin, decide) => decide(null, origin !== undefined && known.has(origin) ? origin : false),
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      credentials: true,
      exposedHeaders: ['etag', 'location', 'x-request-id', 'retry-after', 'idempotency-replayed'],
      maxAge: 600,
    });
  }
  app.setGlobalPrefix(API_PREFIX, { exclude: ['health/{*path}', 'metrics'] });
  acceptIdempotencyKeys(app);
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter(app.get(Database)));
  app.enableShutdownHooks();
}
