import { DynamicModule, INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuthModule } from '@muster/features/auth/auth.module';
import { ImportsModule } from '@muster/features/imports/imports.module';
import { Config } from '@muster/platform/config/config';
import { NestLog } from '@muster/platform/observability/logger';
import { boot } from '../../shared/boot';
import { PlatformModule } from '../../shared/platform.module';
import { WorkerModule } from '../../worker/src/worker.module';

@Module({})
class CliModule {
  static with(config: Config, withWorker: boolean): DynamicModule {
    return {
      module: CliModule,
      imports: [PlatformModule.with(config), AuthModule, ImportsModule, ...(withWorker ? [WorkerModule] : [])],
    };
  }
}

/**
 * Runs a command inside the application, without HTTP: on the same store, files and broker as the server. The log is quiet
 * unless LOG_LEVEL asks for it.
 * @param withWorker whether this process also does background work; a running server may do it as well
 */
export async function inApplication(
  withWorker: boolean,
  work: (app: INestApplicationContext, config: Config) => Promise<number>,
): Promise<void> {
  const config = boot('cli', { PROCESS: 'all' }, 'error');
  const app = await NestFactory.createApplicationContext(CliModule.with(config, withWorker), {
    logger: new NestLog(),
    abortOnError: false,
  });
  try {
    process.exitCode = await work(app, config);
  } finally {
    await app.close();
  }
}
