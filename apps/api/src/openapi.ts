import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { NestFastifyApplication } from '@nestjs/platform-fastify';
import { readConfig } from '@muster/platform/config/config';
import { API_PREFIX, httpAdapter } from '@muster/platform/http/server';
import { AppModule } from './app.module';
import { createDocument } from './openapi.document';

/** Prints the OpenAPI document. Needs no service: it builds the application on an empty store of its own. */
async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'muster-openapi-'));
  try {
    const config = readConfig({ DATA_DIR: directory, PROCESS: 'all' });
    const app = await NestFactory.create<NestFastifyApplication>(
      AppModule.with({ ...config, process: 'api' }),
      httpAdapter(config),
      { logger: false },
    );
    app.setGlobalPrefix(API_PREFIX, { exclude: ['health/{*path}', 'metrics'] });
    process.stdout.write(`${JSON.stringify(createDocument(app), null, 2)}\n`);
    await app.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

void main();
