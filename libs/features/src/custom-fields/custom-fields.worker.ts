import { Injectable, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { Loop } from '@muster/platform/observability/loop';
import { CustomFieldsWorkService } from './custom-fields.work.service';

/** How often a worker looks for work that nobody told it of, in milliseconds. */
const POLL = 5_000;

/** Does what requests left of the work on records. Any number of workers may run. */
@Injectable()
export class CustomFieldsWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly lane: Loop;

  constructor(work: CustomFieldsWorkService) {
    this.lane = new Loop('custom-fields', POLL, () => work.workOff());
  }

  onApplicationBootstrap(): void {
    this.lane.start();
  }

  nudge(): void {
    this.lane.nudge();
  }

  async onModuleDestroy(): Promise<void> {
    await this.lane.stop();
  }
}
