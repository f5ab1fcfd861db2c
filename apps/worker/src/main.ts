import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { NestFastifyApplication } from '@nestjs/platform-fastify';
import { HealthModule } from '@muster/platform/health/health.module';
import { httpAdapter, prepareHttp } from '@muster/platform/http/server';
import { logOf, NestLog } from '@muster/platform/observability/logger';
import { boot, fail } from '../../shared/boot';
import { PlatformModule } from '../../shared/platform.module';
import { WorkerModule } from './worker.module';

async function main(): Promise<void> {
  const config = boot('worker', { PROCESS: 'worker' });

  /** The worker's only HTTP doors are health and metrics. */
  @Module({ imports: [PlatformModule.with(config), HealthModule, WorkerModule] })
  class WorkerProcess {}

  const app = await NestFactory.create<NestFastifyApplication>(WorkerProcess, httpAdapter(config), {
    logger: new NestLog(),
    abortOnError: false,
  });
  await prepareHttp(app, config);
  await app.listen(config.port, config.host);
  const { port } = app.getHttpServer().address() as { port: number };
  process.stdout.write(`\n  Muster worker: health and metrics on http://${config.host}:${port}\n\n`);
  logOf('boot').info({ port, broker: config.broker.kind, storage: config.storage.kind }, 'working');
}

main().catch(fail);
