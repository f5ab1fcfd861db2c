import {
  BeforeApplicationShutdown,
  Global,
  Inject,
  Module,
  OnApplicationBootstrap,
  OnModuleDestroy,
} from '@nestjs/common';
import { type Config } from '../config/config';
import { CONFIG } from '../config/config.module';
import { Database } from '../database/database';
import { Transactions } from '../database/transactions';
import { untilReached } from '../health/until-reached';
import { Outbox } from '../outbox/outbox';
import { Relay } from '../outbox/relay';
import { AmqpBroker } from './amqp.broker';
import { type Broker, BROKER } from './broker';
import { Dispatcher } from './dispatcher';
import { InProcessBroker } from './in-process.broker';
import { Redelivery } from './redelivery';

/** What every process has: the outbox, and a connection to the broker. */
@Global()
@Module({
  providers: [
    Outbox,
    {
      provide: BROKER,
      inject: [CONFIG],
      useFactory: async ({ broker }: Config): Promise<Broker> => {
        if (broker.kind === 'in-process') return new InProcessBroker();
        const amqp = new AmqpBroker(broker.url, broker.prefix);
        await untilReached('broker', () => amqp.open());
        return amqp;
      },
    },
    {
      provide: Dispatcher,
      inject: [Database, Transactions],
      useFactory: (database: Database, transactions: Transactions) => new Dispatcher(database, transactions),
    },
  ],
  exports: [Outbox, BROKER, Dispatcher],
})
export class MessagingModule implements BeforeApplicationShutdown {
  constructor(
    @Inject(BROKER) private readonly broker: Broker,
    outbox: Outbox,
  ) {
    outbox.onCommit(() => broker.wake());
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.broker.close();
  }
}

/** What a worker does beside: publish the outbox, consume, and retry. */
@Module({
  providers: [
    {
      provide: Relay,
      inject: [Database, Transactions, BROKER],
      useFactory: (database: Database, transactions: Transactions, broker: Broker) =>
        new Relay(database, transactions, broker),
    },
    {
      provide: Redelivery,
      inject: [Database, Transactions, Dispatcher],
      useFactory: (database: Database, transactions: Transactions, dispatcher: Dispatcher) =>
        new Redelivery(database, transactions, dispatcher),
    },
  ],
})
export class MessagingWorkerModule implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(BROKER) private readonly broker: Broker,
    private readonly dispatcher: Dispatcher,
    private readonly relay: Relay,
    private readonly redelivery: Redelivery,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.dispatcher.subscribeAll(this.broker);
    await this.broker.onWake(() => this.relay.nudge());
    if (this.config.embedded) await this.relay.takeOver();
    this.relay.start();
    this.redelivery.start();
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all([this.relay.stop(), this.redelivery.stop()]);
  }
}
