import { Module } from '@nestjs/common';
import { ImportsWorkerModule } from '@muster/features/imports/imports.module';
import { MessagingWorkerModule } from '@muster/platform/broker/messaging.module';

/** The worker doors of every feature. */
@Module({ imports: [MessagingWorkerModule, ImportsWorkerModule] })
export class WorkerModule {}
