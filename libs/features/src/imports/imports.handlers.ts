import { Injectable, OnModuleInit } from '@nestjs/common';
import { Dispatcher } from '@muster/platform/broker/dispatcher';
import {
  importBatchCommitted,
  importCreated,
  importStarted,
  importUndoCommitted,
  importUndoStarted,
  importPlanRequested,
} from './imports.events';
import { ImportsFinishService } from './imports.finish.service';
import { ImportsUndoService } from './imports.undo.service';
import { ImportsWorker } from './imports.worker';

@Injectable()
export class ImportsHandlers implements OnModuleInit {
  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly worker: ImportsWorker,
    private readonly finisher: ImportsFinishService,
    private readonly undo: ImportsUndoService,
  ) {}

  onModuleInit(): void {
    this.dispatcher.on('imports.analyze', importCreated, async (tx) => tx.afterCommit(() => this.worker.nudge()));
    this.dispatcher.on('imports.plan', importStarted, async (tx) => tx.afterCommit(() => this.worker.nudge()));
    this.dispatcher.on('imports.dry-run', importPlanRequested, async (tx) => tx.afterCommit(() => this.worker.nudge()));
    this.dispatcher.on('imports.finish', importBatchCommitted, async (tx, { importId }) => {
      await this.finisher.complete(tx, importId);
    });
    this.dispatcher.on('imports.undo', importUndoStarted, async (tx) => tx.afterCommit(() => this.worker.nudge()));
    this.dispatcher.on('imports.finish-undo', importUndoCommitted, async (tx, { importId }) => {
      await this.undo.complete(tx, importId);
    });
  }
}
