import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { Config } from '../config/config';
import { Database } from '../database/database';
import { httpDuration } from '../observability/metrics';
import { logOf } from '../observability/logger';
import { withRequestId } from '../observability/request-context';
import { ProblemFilter } from './problem.filter';
import { validationPipe } from './validation';

export const API_PREFIX = 'api/v1';
/** Largest JSON body, in bytes. Files come by multipart, with limits of their own. */
const BODY_LIMIT = 1024 * 1024;
const REQUEST_ID = /^[\w.:-]{8,100}$/;

/** The HTTP server's own limits; slow or endless clients are cut off. */
export const httpAdapter = (config: Config) =>
  new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    connectionTimeout: 60_000,
    requestTimeout: 300_000,
    keepAliveTimeout: 65_000,
    routerOptions: { maxParamLength: 500 },
    trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false,
    genReqId: (request: IncomingMessage) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
  });

/** Everything that each HTTP process has in common: ids, logs, metrics, security headers, problems, validation. */
export async function prepareHttp(app: NestFastifyApplication, config: Config): Promise<void> {
  const log = logOf('http');
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    withRequestId(request.id, done);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    httpDuration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    log.info({ method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request');
    done();
  });
  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        scriptSrc: ["'self'", "'unsafe-inline'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        upgradeInsecureRequests: null,
      },
    },
  });
  await app.register(multipart, {
    limits: { fileSize: Number.MAX_SAFE_INTEGER, files: 10, fields: 20, fieldSize: BODY_LIMIT, parts: 40 },
    throwFileSizeLimit: true,
  });
  if (config.corsOrigins.length > 0) {
    app.enableCors({
      origin: config.corsOrigins,
      credentials: true,
      exposedHeaders: ['etag', 'x-request-id', 'retry-after'],
    });
  }
  app.setGlobalPrefix(API_PREFIX, { exclude: ['health/{*path}', 'metrics'] });
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter(app.get(Database)));
  app.enableShutdownHooks();
}
