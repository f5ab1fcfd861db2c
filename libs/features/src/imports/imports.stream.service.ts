import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { ProblemError } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { IMPORT_STATUSES } from './imports.entity';
import { ImportView } from './imports.dto';
import { ImportsService } from './imports.service';

/** How often the store is asked for an import that is watched, in milliseconds; all its listeners share the answer. */
const POLL = 500;
/** How often a stream without news says that it is alive, and whether its listener may still listen; in milliseconds. */
const HEARTBEAT = 15_000;
const RECHECK = 20_000;
/** How long a client waits before it connects again, in milliseconds. */
const RETRY = 2_000;
/** Streams of one user at a time, in this process. */
const MAX_STREAMS = 20;
/** More than an import has rows: ids of a later status are above all of an earlier one. */
const ROWS = 10_000_000_000;
const FINAL = ['completed', 'failed', 'cancelled', 'undoing', 'undone'];

/** How far an import is: rises with every change that a listener is told of, on every process alike. */
const versionOf = ({ status, progress }: ImportView): number =>
  2 * (Math.min(IMPORT_STATUSES.indexOf(status), IMPORT_STATUSES.indexOf('completed')) * ROWS + progress.processed);

/** Tells listeners how an import goes on, as server-sent events. */
@Injectable()
export class ImportsStreamService implements OnModuleDestroy {
  private readonly open = new Map<number, number>();
  private readonly asked = new Map<number, { at: number; answer: Promise<ImportView | null> }>();
  private readonly stopping = new AbortController();

  constructor(private readonly imports: ImportsService) {}

  onModuleDestroy(): void {
    this.stopping.abort();
  }

  /**
   * The events of an import, until it has ended: `progress` and `status`. Their ids rise, so whoever comes again is told at once what
   * is new since the last one; null when that is nothing and nothing will come.
   * @param lastEventId the request's `Last-Event-ID`
   * @param again looks up the caller anew; throws when they may not go on
   * @param gone aborted when the listener has gone
   * @throws 404; 429 `too-many-streams`
   */
  async listen(
    principal: Principal,
    id: number,
    lastEventId: string | undefined,
    again: () => Promise<Principal>,
    gone: AbortSignal,
  ): Promise<Readable | null> {
    const now = await this.imports.view(principal, id);
    const newest = versionOf(now) + 1;
    const given = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : -1;
    if (FINAL.includes(now.status) && given === newest) return null;
    const open = this.open.get(principal.userId) ?? 0;
    if (open >= MAX_STREAMS) {
      const message = `You have ${MAX_STREAMS} streams open; close one first.`;
      throw new ProblemError('user', 429, 'too-many-streams', message, undefined, 10);
    }
    this.open.set(principal.userId, open + 1);
    // An id that was never given tells nothing.
    const stream = Readable.from(this.events(id, now, given > newest ? -1 : given, again, gone), { objectMode: false });
    // Not in the generator's end: one that is never begun has none.
    return stream.once('close', () => this.close(principal.userId));
  }

  private async *events(
    id: number,
    first: ImportView,
    told: number,
    again: () => Promise<Principal>,
    gone: AbortSignal,
  ): AsyncGenerator<string> {
    const ending = AbortSignal.any([this.stopping.signal, gone]);
    try {
      let view: ImportView | null = first;
      let status: string | null = null;
      let [checked, said] = [Date.now(), Date.now()];
      yield `retry: ${RETRY}\n\n`;
      while (view) {
        const version = versionOf(view);
        let news = '';
        if (version > told) news += eventOf('progress', version, { ...view.progress, counts: view.counts });
        if (view.status !== status && version + 1 > told) {
          const { error } = view;
          news += eventOf('status', version + 1, { status: view.status, ...(error ? { error } : {}) });
          told = version + 1;
        }
        status = view.status;
        told = Math.max(told, version);
        if (!news && Date.now() - said >= HEARTBEAT) news = ': still here\n\n';
        if (news) {
          said = Date.now();
          yield news;
        }
        if (FINAL.includes(view.status)) return;
        await sleep(POLL, null, { signal: ending });
        if (Date.now() - checked >= RECHECK) {
          await this.imports.get(await again(), id);
          checked = Date.now();
        }
        view = await this.ask(id);
      }
    } catch (error) {
      // The end of the process, of the connection, of the session, or of the scope is the end of the stream.
      if (!ending.aborted && !(error instanceof ProblemError && error.kind === 'user')) throw error;
    }
  }

  private close(userId: number): void {
    const left = (this.open.get(userId) ?? 1) - 1;
    if (left > 0) this.open.set(userId, left);
    else this.open.delete(userId);
  }

  /** The import as it is now, give or take {@link POLL}. Whether the caller may see it is checked elsewhere. */
  private ask(id: number): Promise<ImportView | null> {
    const now = Date.now();
    for (const [other, { at }] of this.asked) if (now - at > 2 * POLL) this.asked.delete(other);
    const known = this.asked.get(id);
    if (known && now - known.at < POLL) return known.answer;
    const answer = this.imports.current(id);
    this.asked.set(id, { at: now, answer });
    return answer;
  }
}

const eventOf = (name: string, id: number, data: object) =>
  `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
