import { ArgumentsHost, Catch, ExceptionFilter, HttpException } from '@nestjs/common';
import { FastifyReply, FastifyRequest } from 'fastify';
import { FieldError, ProblemError } from '@muster/core/errors';
import { Database } from '../database/database';
import { errorFields, logOf } from '../observability/logger';
import { isStorageFull, storageFull } from '../storage/storage-full';
import { StoredAnswer } from './idempotency.answer';

/** The body of every error answer (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  requestId: string;
  errors?: FieldError[];
}

const TITLES: Record<number, string> = {
  400: 'Malformed request',
  401: 'Not signed in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition failed',
  413: 'Too large',
  414: 'Address too long',
  415: 'Unsupported type',
  417: 'Expectation failed',
  422: 'Invalid',
  423: 'Locked',
  429: 'Too many requests',
  431: 'Headers too large',
  500: 'Internal error',
  503: 'Unavailable',
  507: 'Storage full',
};

/** Codes for what Nest and Fastify refuse by themselves. */
const CODES: Record<number, string> = {
  400: 'malformed',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  413: 'too-large',
  414: 'address-too-long',
  415: 'unsupported-media-type',
  417: 'expectation-failed',
  429: 'too-many-requests',
  431: 'headers-too-large',
};

/** The body of an answer with that status, where nothing more is known than the status. */
export const plainProblem = (status: number, detail: string, requestId: string): Problem => {
  const code = CODES[status] ?? 'malformed';
  return { type: `urn:muster:problem:${code}`, title: TITLES[status] ?? 'Error', status, detail, code, requestId };
};

/** Turns whatever is thrown into an answer: the HTTP half of the table in `core/errors`. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly log = logOf('http');

  constructor(private readonly database: Database | null = null) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Sends what {@link catch} would, where Nest is not in between. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    if (error instanceof StoredAnswer) {
      const { status, headers, body } = error.answer;
      reply.status(status).headers({ ...headers, 'idempotency-replayed': 'true' });
      reply.send(body.length > 0 ? body : undefined);
      return;
    }
    const problem = this.toProblem(error, request);
    if (reply.raw.headersSent) {
      // A stream broke after its head was sent: the client must see a cut, not a shorter whole.
      reply.raw.destroy();
      return;
    }
    if (error instanceof ProblemError && error.retryAfter !== undefined) {
      reply.header('retry-after', String(error.retryAfter));
    } else if (problem.status === 503 || problem.status === 507) {
      reply.header('retry-after', problem.status === 503 ? '5' : '60');
    }
    const { raw } = request;
    if (!raw.complete && raw.readableFlowing !== null) {
      // Whoever began to read the body has given up: a client that sends it to the end would not come to read the answer.
      reply.header('connection', 'close');
      raw.unpipe();
      raw.resume();
    }
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
    reply
      .status(problem.status)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify(problem));
  }

  private toProblem(error: unknown, request: FastifyRequest): Problem {
    const { status, code, detail, errors } = this.read(error, request);
    if (status >= 500) {
      this.log[status === 500 ? 'error' : 'warn'](
        { status, code, route: request.routeOptions?.url, ...errorFields(error) },
        detail,
      );
    }
    return {
      ...(error instanceof ProblemError ? error.members : {}),
      type: `urn:muster:problem:${code}`,
      title: TITLES[status] ?? 'Error',
      status,
      detail,
      code,
      requestId: request.id,
      ...(errors ? { errors } : {}),
    };
  }

  private read(
    error: unknown,
    request: FastifyRequest,
  ): { status: number; code: string; detail: string; errors?: FieldError[] } {
    if (error instanceof ProblemError) {
      return { status: error.status, code: error.code, detail: error.message, errors: error.errors };
    }
    const status = statusOf(error);
    if (status >= 400 && status < 500) {
      const detail = status === 404 ? 'There is no such resource, or it is not yours.' : (error as Error).message;
      return { status, code: CODES[status] ?? 'malformed', detail };
    }
    if ((error as { code?: string }).code === 'ECONNRESET' && !request.raw.complete) {
      return { status: 400, code: 'malformed', detail: 'The request ended before its body was whole.' };
    }
    if (isStorageFull(error) || this.database?.dialect.isFull(error)) {
      return { status: 507, code: 'storage-full', detail: storageFull().message };
    }
    if (this.database?.dialect.isRetryable(error)) {
      return { status: 503, code: 'store-unavailable', detail: 'The store cannot answer now.' };
    }
    return {
      status: 500,
      code: 'internal',
      detail: 'Something went wrong on our side. The request id helps to find it.',
    };
  }
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  // Fastify's and its plugins' refusals carry a status; other libraries' errors may too, and do not count.
  return code?.startsWith('FST_') && statusCode ? statusCode : 500;
}
