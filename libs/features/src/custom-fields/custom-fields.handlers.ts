import { Injectable, OnModuleInit } from '@nestjs/common';
import { Dispatcher } from '@muster/platform/broker/dispatcher';
import { Tx } from '@muster/platform/database/transactions';
import { customFieldCreated, customFieldDeleted, customFieldUpdated } from './custom-fields.events';
import { CustomFieldsWorker } from './custom-fields.worker';

@Injectable()
export class CustomFieldsHandlers implements OnModuleInit {
  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly worker: CustomFieldsWorker,
  ) {}

  onModuleInit(): void {
    const nudge = async (tx: Tx) => tx.afterCommit(() => this.worker.nudge());
    this.dispatcher.on('custom-fields.created', customFieldCreated, nudge);
    this.dispatcher.on('custom-fields.updated', customFieldUpdated, nudge);
    this.dispatcher.on('custom-fields.deleted', customFieldDeleted, nudge);
  }
}
