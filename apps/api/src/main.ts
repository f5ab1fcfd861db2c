import 'reflect-metadata';
import { resolve } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { AdminBootstrap } from '@muster/features/auth/auth.admin';
import { Config } from '@muster/platform/config/config';
import { httpAdapter, prepareHttp } from '@muster/platform/http/server';
import { logOf, NestLog } from '@muster/platform/observability/logger';
import { boot, fail } from '../../shared/boot';
import { AppModule } from './app.module';
import { createDocument } from './openapi.document';

async function main(): Promise<void> {
  const config = boot('api');
  if (config.process === 'worker') {
    // `PROCESS=worker npm start`: the worker is a program of its own.
    await import('../../worker/src/main.js');
    return;
  }
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), httpAdapter(config), {
    logger: new NestLog(),
    abortOnError: false,
  });
  await prepareHttp(app, config);
  SwaggerModule.setup('api/docs', app, () => createDocument(app), { jsonDocumentUrl: 'api/openapi.json' });
  const admin = await app.get(AdminBootstrap, { strict: false }).ensureAdmin();
  await app.listen(config.port, config.host);
  const { port } = app.getHttpServer().address() as { port: number };
  greet(config, config.publicUrl ?? `http://${config.host === '0.0.0.0' ? 'localhost' : config.host}:${port}`, admin);
}

function greet(config: Config, url: string, admin: { email: string; password: string | null } | null): void {
  const store = config.database.kind === 'sqlite' ? `SQLite, ${config.database.path}` : 'MySQL';
  const lines = [
    '',
    `  Muster listens on ${url}   (store: ${store}; process: ${config.process})`,
    `  API documentation  ${url}/api/docs`,
  ];
  if (admin?.password) {
    lines.push(
      '',
      '  The first admin was created. The password is shown only now:',
      `    e-mail    ${admin.email}`,
      `    password  ${admin.password}`,
    );
  } else if (admin) {
    lines.push('', `  The first admin was created: ${admin.email}`);
  }
  if (!config.rateLimits) lines.push('', '  RATE_LIMITS=off: callers are not held to any rate.');
  if (config.process === 'all') {
    const dataDir = config.dataDir === resolve('.data') ? '' : `DATA_DIR=${config.dataDir} `;
    lines.push(
      '',
      '  Try it, in another terminal:',
      `    ${dataDir}npx muster import samples/leads.csv --target leads`,
    );
  }
  process.stdout.write(`${lines.join('\n')}\n\n`);
  logOf('boot').info(
    {
      url,
      process: config.process,
      store: config.database.kind,
      broker: config.broker.kind,
      storage: config.storage.kind,
    },
    'listening',
  );
}

main().catch(fail);
