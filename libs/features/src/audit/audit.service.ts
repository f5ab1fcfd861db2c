import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { notFound } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal } from '@muster/core/principal';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { Tx } from '@muster/platform/database/transactions';
import { currentAddress, currentRequestId } from '@muster/platform/observability/request-context';
import { AuditEntryView, ListAuditQuery, toAuditEntryView } from './audit.dto';
import { AuditEntry } from './audit.entity';
import { AuditRepository } from './audit.repository';
import { differences, withoutSecrets } from './audit.values';

/** What a mutation did. */
export interface Mutation {
  /** Noun and verb in the past tense, such as `lead.updated`; the noun is the subject's type. */
  action: `${string}.${string}`;
  subjectId: number | null;
  /** The subject as it was; null when it is new. */
  before?: object | null;
  /** The subject as it is; null when it is gone. */
  after?: object | null;
}

/** Who did it. `null` stands for the program itself. */
export type Actor = Pick<Principal, 'userId' | 'apiKeyId'> | null;

export { type AuditEntryView } from './audit.dto';

/** How a trail is sorted; its cursors name it. */
export const TRAIL_SORT = '-occurredAt';

/** The longest text that an address has: IPv6 that holds an IPv4 address. */
const ADDRESS_MAX = 45;

/** The audit log: every mutation says here what it did, in its own transaction. */
@Injectable()
export class AuditService {
  constructor(private readonly repository: AuditRepository) {}

  /**
   * Notes a mutation. Where the subject was and still is, only the properties that differ are kept; secrets never are. Call it with
   * the subjects as clients see them, so that bookkeeping stays out.
   */
  record(tx: Tx, actor: Actor, mutation: Mutation): Promise<void> {
    return this.recordAll(tx, actor, [mutation]);
  }

  /** Notes several mutations that one call made, as {@link record} does. */
  async recordAll(tx: Tx, actor: Actor, mutations: readonly Mutation[]): Promise<void> {
    const occurredAt = new Date();
    await this.repository.insertAll(
      tx,
      mutations.map((mutation) => this.entryOf(actor, mutation, occurredAt)),
    );
  }

  private entryOf(
    actor: Actor,
    { action, subjectId, before = null, after = null }: Mutation,
    occurredAt: Date,
  ): Omit<AuditEntry, 'id'> {
    const states = before && after ? differences(before, after) : { before, after };
    return {
      occurredAt,
      actorId: actor?.userId ?? null,
      apiKeyId: actor?.apiKeyId ?? null,
      action,
      subjectType: action.slice(0, action.indexOf('.')),
      subjectId,
      oldValues: states.before && withoutSecrets(states.before),
      newValues: states.after && withoutSecrets(states.after),
      requestId: currentRequestId(),
      address: addressOf(currentAddress()),
    };
  }

  async list(query: ListAuditQuery): Promise<Page<AuditEntryView>> {
    const { data, meta } = await this.repository.list(query);
    return { data: await this.views(data), meta };
  }

  /** @throws 404 */
  async get(id: number): Promise<AuditEntryView> {
    const entry = await this.repository.find(id);
    if (!entry) throw notFound();
    return (await this.views([entry]))[0];
  }

  /** What was done to one subject, newest first. @throws 422 `cursor-invalid` */
  trail(subjectType: string, subjectId: number, { page, limit, cursor }: ListQueryDto): Promise<Page<AuditEntryView>> {
    return this.list({ page, limit, cursor, subjectType, subjectId, sort: TRAIL_SORT });
  }

  /** The names of users, deleted ones too. */
  namesOf(userIds: number[]): Promise<Map<number, string>> {
    return this.repository.namesOf(userIds);
  }

  private async views(entries: AuditEntry[]): Promise<AuditEntryView[]> {
    const names = await this.repository.namesOf(entries.flatMap(({ actorId }) => actorId ?? []));
    return entries.map((entry) => toAuditEntryView(entry, names));
  }
}

/** What a trusted proxy says may be anything; only an address is kept. */
const addressOf = (said: string | null) => (said && said.length <= ADDRESS_MAX && isIP(said) ? said : null);
