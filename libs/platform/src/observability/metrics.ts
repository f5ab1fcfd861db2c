import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

/** The process's Prometheus registry. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry });

export const httpDuration = new Histogram({
  name: 'muster_http_request_duration_seconds',
  help: 'Time to answer, by route.',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  registers: [registry],
});

export const importRows = new Counter({
  name: 'muster_import_rows_total',
  help: 'Rows that got an outcome.',
  labelNames: ['target', 'outcome'],
  registers: [registry],
});

export const importBatchDuration = new Histogram({
  name: 'muster_import_batch_duration_seconds',
  help: "Time of a batch's transaction.",
  labelNames: ['target'],
  registers: [registry],
});

export const eventsPublished = new Counter({
  name: 'muster_events_published_total',
  help: 'Events that the broker has confirmed.',
  labelNames: ['event'],
  registers: [registry],
});

export const eventsHandled = new Counter({
  name: 'muster_events_handled_total',
  help: 'Deliveries, by consumer and result.',
  labelNames: ['consumer', 'result'],
  registers: [registry],
});

export const rateLimitRefusals = new Counter({
  name: 'muster_rate_limit_refusals_total',
  help: 'Calls over a budget, by budget.',
  labelNames: ['budget'],
  registers: [registry],
});
