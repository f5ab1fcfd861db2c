import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { Actor, AuditService } from '../audit/audit.service';
import { ContactChange, ContactFollower, ContactFollowers, deletedIn } from '../contacts/contacts.followers.service';
import { ContactRef, ContactNoun } from '../contacts/memberships/contacts.memberships.service';

const IDS_AT_ONCE = 500;

/**
 * Which leads became which customer. When the customer is deleted, its leads can be converted again; when it is merged into another, they
 * name that one.
 */
@Injectable()
export class LeadConversions implements ContactFollower {
  readonly name = 'conversions';

  constructor(
    private readonly database: Database,
    private readonly audit: AuditService,
    followers: ContactFollowers,
  ) {
    followers.register(this);
  }

  async changed(tx: Tx, by: Actor, noun: ContactNoun, changes: readonly ContactChange[]): Promise<void> {
    if (noun !== 'customers') return;
    for (const customerId of await this.madeOfLeads(tx, deletedIn(changes))) {
      await this.point(tx, by, await this.of(tx, customerId), customerId, null);
    }
  }

  /** Which of these customers leads became. */
  async madeOfLeads(tx: Tx, customerIds: readonly number[]): Promise<Set<number>> {
    const found = new Set<number>();
    for (let start = 0; start < customerIds.length; start += IDS_AT_ONCE) {
      const ids = customerIds.slice(start, start + IDS_AT_ONCE);
      const { rows } = await tx.query<{ id: number }>(
        `SELECT DISTINCT converted_to AS id FROM leads WHERE converted_to IN (${marks(ids)})`,
        ids,
      );
      for (const { id } of rows) found.add(Number(id));
    }
    return found;
  }

  async hand(tx: Tx, by: Actor, from: ContactRef, to: ContactRef): Promise<number[] | null> {
    if (from.noun !== 'customers') return null;
    const leadIds = await this.of(tx, from.id);
    await this.point(tx, by, leadIds, from.id, to.id);
    return leadIds.length > 0 ? leadIds : null;
  }

  async giveBack(tx: Tx, by: Actor, from: ContactRef, to: ContactRef, moved: unknown): Promise<void> {
    const leadIds = new Set(moved as number[]);
    const still = (await this.of(tx, to.id)).filter((id) => leadIds.has(id));
    await this.point(tx, by, still, to.id, from.id);
  }

  /** The leads that became a customer, held until the transaction ends. */
  private async of(tx: Tx, customerId: number): Promise<number[]> {
    const { rows } = await tx.query<{ id: number }>(
      `SELECT id FROM leads WHERE converted_to = ? ORDER BY id${this.database.dialect.forUpdate}`,
      [customerId],
    );
    return rows.map(({ id }) => Number(id));
  }

  private async point(tx: Tx, by: Actor, leadIds: number[], from: number, to: number | null): Promise<void> {
    for (let start = 0; start < leadIds.length; start += IDS_AT_ONCE) {
      const ids = leadIds.slice(start, start + IDS_AT_ONCE);
      await tx.query(
        `UPDATE leads SET converted_to = ?, updated_at = ?, version = version + 1 WHERE id IN (${marks(ids)})`,
        [to, formatTime(new Date()), ...ids],
      );
    }
    for (const subjectId of leadIds) {
      const [before, after] = [{ convertedTo: from }, { convertedTo: to }];
      await this.audit.record(tx, by, { action: 'lead.updated', subjectId, before, after });
    }
  }
}
