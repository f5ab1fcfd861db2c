import { LoggerService } from '@nestjs/common';
import pino, { Logger as Pino } from 'pino';
import { currentRequestId } from './request-context';

let root: Pino = pino({ level: 'silent' });

/** Sets up the process's log: JSON lines on stderr, each with the request id it belongs to. No personal data in them. */
export function startLogging(level: string, processName: string): void {
  root = pino(
    {
      level,
      base: { process: processName, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const requestId = currentRequestId();
        return requestId ? { requestId } : {};
      },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** A log of one part of the program. Fields are named by the caller: never pass whole records or requests. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const logOf = (part: string): Log => ({
  debug: (fields, message) => root.debug({ part, ...fields }, message),
  info: (fields, message) => root.info({ part, ...fields }, message),
  warn: (fields, message) => root.warn({ part, ...fields }, message),
  error: (fields, message) => root.error({ part, ...fields }, message),
});

/** The fields of a log line that say what went wrong. */
export const errorFields = (error: unknown) =>
  error instanceof Error ? { error: error.message, stack: error.stack } : { error: String(error) };

/** Nest's own messages, at debug: what matters at boot is said by the entry points. */
export class NestLog implements LoggerService {
  private readonly write = logOf('nest');
  log(message: unknown) {
    this.write.debug({}, String(message));
  }
  error(message: unknown, ...rest: unknown[]) {
    this.write.error(
      { detail: rest.map(String).join(' ') },
      message instanceof Error ? message.message : String(message),
    );
  }
  warn(message: unknown) {
    this.write.warn({}, String(message));
  }
}
