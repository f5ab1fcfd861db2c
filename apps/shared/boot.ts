import { setFlagsFromString } from 'node:v8';
import { messageOf } from '@muster/core/errors';
import { Config, ConfigError, loadConfig } from '@muster/platform/config/config';
import { armFailPoints } from '@muster/platform/observability/fail-points';
import { startLogging } from '@muster/platform/observability/logger';

/**
 * The old generation may grow by half of what is alive before it is collected. By default V8 lets it grow for as long as the
 * machine has memory, and an import, which makes much garbage and keeps little, would look like a leak.
 */
setFlagsFromString('--heap-growing-percent=50');

/**
 * Reads the configuration and starts the log, or ends the process with one clear line for each thing that is wrong.
 * @param quietest the log's level where the environment asks for none
 */
export function boot(name: string, overrides: Record<string, string> = {}, quietest?: string): Config {
  try {
    const config = loadConfig(overrides);
    startLogging(quietest && config.logLevel === 'info' ? quietest : config.logLevel, name);
    armFailPoints(config.failPoints);
    return config;
  } catch (error) {
    fail(error);
  }
}

/** Ends the process with the error's message; a stack only where it is our own mistake. */
export function fail(error: unknown): never {
  const expected =
    error instanceof ConfigError || ['ECONNREFUSED', 'EADDRINUSE', 'ENOTFOUND', 'EACCES'].includes(codeOf(error));
  process.stderr.write(`\nMuster cannot start. ${messageOf(error)}\n`);
  if (!expected && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}

const codeOf = (error: unknown) => (error as { code?: string }).code ?? '';
