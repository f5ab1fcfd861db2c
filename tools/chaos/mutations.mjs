const RUN = 'libs/features/src/imports/imports.run.service.js';
const REPOSITORY = 'libs/features/src/imports/imports.repository.js';
const UNDO = 'libs/features/src/imports/imports.undo.run.service.js';
const BULK = 'libs/features/src/contacts/contacts.bulk.service.js';
const RELAY = 'libs/platform/src/outbox/relay.js';
const DISPATCHER = 'libs/platform/src/broker/dispatcher.js';
const BROKER = 'libs/platform/src/broker/amqp.broker.js';

/**
 * Bugs that are planted into the compiled program: changes of its text, each of which must fit exactly once; the fault that
 * exposes the bug; and the check that must report it.
 * @type {{name: string, profile: 'embedded' | 'services', fault: string, wanted: string, file: string, changes: [string, string][]}[]}
 */
export const MUTANTS = [
  {
    name: 'the checkpoint is committed before the rows',
    profile: 'embedded',
    fault: 'chunk.rows-written',
    wanted: 'row lost',
    file: RUN,
    changes: [
      ...['holds', 'fence'].map((check) => [
        `        if (!(await this.repository.${check}(tx, chunk)))
            throw new ChunkLost();
`,
        '',
      ]),
      [
        'await this.transactions.run((tx) => this.commit(tx, chunk, plan, write));',
        `if (!(await this.transactions.run((tx) => this.repository.fence(tx, chunk)))) throw new ChunkLost();
                await this.transactions.run((tx) => this.commit(tx, chunk, plan, write));`,
      ],
    ],
  },
  {
    name: 'the event of a batch is said after its commit, in a transaction of its own',
    profile: 'embedded',
    fault: 'chunk.after-commit',
    wanted: 'event lost',
    file: RUN,
    changes: [
      [
        'await this.outbox.add(tx, imports_events_1.importBatchCommitted, {',
        'chunk.said = ((...event) => event)(imports_events_1.importBatchCommitted, {',
      ],
      [
        `(0, fail_points_1.failPoint)('chunk.after-commit');`,
        `(0, fail_points_1.failPoint)('chunk.after-commit');
                await this.transactions.run((tx) => this.outbox.add(tx, ...chunk.said));`,
      ],
    ],
  },
  {
    name: 'the ledger is not written again when a chunk is taken up again',
    profile: 'embedded',
    fault: 'chunk.before-commit',
    wanted: 'row lost',
    file: RUN,
    changes: [['await this.ledger.add(tx, entries);', 'if (chunk.token === 1) await this.ledger.add(tx, entries);']],
  },
  {
    name: 'rows that the unique indexes refused count as created',
    profile: 'embedded',
    fault: 'nothing',
    wanted: 'record lost',
    file: RUN,
    changes: [['if (inserted < count) {', 'if (false) {']],
  },
  {
    name: 'the relay marks events as published before it publishes them',
    profile: 'embedded',
    fault: 'relay.before-publish',
    wanted: 'event unhandled',
    file: RELAY,
    changes: [
      [
        `(0, fail_points_1.failPoint)('relay.before-publish');`,
        `await this.transactions.run((tx) => tx.query(\`UPDATE outbox SET published_at = ? WHERE id IN (\${marks})\`, [(0, dialect_1.formatTime)(new Date()), ...ids]));
        (0, fail_points_1.failPoint)('relay.before-publish');`,
      ],
    ],
  },
  {
    name: 'the inbox is not asked whether an event was handled',
    profile: 'embedded',
    fault: 'repeats',
    wanted: 'event handled twice',
    file: DISPATCHER,
    changes: [
      [
        `if (await this.isHandled(tx, consumer, envelope.id))
                    return;`,
        '',
      ],
      ['INSERT INTO inbox', 'INSERT OR IGNORE INTO inbox'],
    ],
  },
  {
    name: 'the result of an analysis is written without a look at the token',
    profile: 'services',
    fault: 'frozen-analysis',
    wanted: 'thawed worker wrote',
    file: REPOSITORY,
    changes: [['.update({ id, token, status }, {', '.update({ id }, {']],
  },
  {
    name: 'the ledger of an undo is not written again when a chunk is taken up again',
    profile: 'embedded',
    fault: 'undo: undo.before-commit',
    wanted: 'row lost',
    file: UNDO,
    changes: [['await this.undoLedger.add(tx,', 'if (chunk.token === 1) await this.undoLedger.add(tx,']],
  },
  {
    name: 'what is kept about records does not follow when they are put back',
    profile: 'embedded',
    fault: 'undo: undo.after-commit',
    wanted: 'keys wrong',
    file: BULK,
    changes: [['changed(tx, by, this.kind.noun, written)', 'changed(tx, by, this.kind.noun, [])']],
  },
  {
    name: 'a message is acknowledged before its effect is committed',
    profile: 'services',
    fault: 'consumer.before-effect',
    wanted: 'event unhandled',
    file: BROKER,
    changes: [
      ['            channel.ack(message);\n', ''],
      ['const envelope = parse(message.content);', 'channel.ack(message); const envelope = parse(message.content);'],
    ],
  },
  {
    name: 'consumers do not subscribe again after the connection was lost',
    profile: 'services',
    fault: 'broker-kill',
    wanted: 'event unhandled',
    file: BROKER,
    changes: [
      [
        `for (const subscription of this.subscriptions)
                await this.consume(subscription);`,
        '',
      ],
    ],
  },
];
