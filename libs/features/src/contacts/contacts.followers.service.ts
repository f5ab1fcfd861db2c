import { Injectable } from '@nestjs/common';
import { Tx } from '@muster/platform/database/transactions';
import { Actor } from '../audit/audit.service';
import { ContactNoun, ContactRef, Memberships, StoredMembership } from './memberships/contacts.memberships.service';

/** What followers see of a lead or customer. */
export interface FollowedRecord {
  id: number;
}

/** A record is made (`before` is null), changed, or deleted (`after` is null). */
export interface ContactChange {
  before: FollowedRecord | null;
  after: FollowedRecord | null;
}

/** What is kept about leads and customers elsewhere, and follows them in the same transaction. It leaves out what does not concern it. */
export interface ContactFollower {
  /** A merge keeps under this name what it moved: it stays as it is. */
  readonly name: string;
  /** Does what follows from changes of records, each of another one; they are written already. */
  changed?(tx: Tx, by: Actor, noun: ContactNoun, changes: readonly ContactChange[]): Promise<void>;
  /**
   * What belongs to one record becomes another's, because the first is about to be deleted.
   * @returns what {@link giveBack} needs, as JSON; null when nothing was moved
   */
  hand?(tx: Tx, by: Actor, from: ContactRef, to: ContactRef): Promise<unknown>;
  /** Undoes {@link hand}: `from`, which exists again, gets back what it had. What was deleted since stays deleted. */
  giveBack?(tx: Tx, by: Actor, from: ContactRef, to: ContactRef, moved: unknown): Promise<void>;
}

/**
 * Everything that follows leads and customers. A feature takes part by registering when it is made, so that features to the left never
 * import it. Followers act in the order in which they registered.
 */
@Injectable()
export class ContactFollowers {
  private readonly followers: ContactFollower[] = [];

  constructor(memberships: Memberships) {
    this.register(new GroupFollower(memberships));
  }

  register(follower: ContactFollower): void {
    if (this.followers.some(({ name }) => name === follower.name)) {
      throw new Error(`Two followers of contacts are called "${follower.name}".`);
    }
    this.followers.push(follower);
  }

  async changed(tx: Tx, by: Actor, noun: ContactNoun, changes: readonly ContactChange[]): Promise<void> {
    for (const follower of this.followers) await follower.changed?.(tx, by, noun, changes);
  }

  /** Gives what belongs to one record to another. @returns by follower, what {@link giveBack} needs */
  async hand(tx: Tx, by: Actor, from: ContactRef, to: ContactRef): Promise<Record<string, unknown>> {
    const moved: Record<string, unknown> = {};
    for (const follower of this.followers) {
      const own = (await follower.hand?.(tx, by, from, to)) ?? null;
      if (own !== null) moved[follower.name] = own;
    }
    return moved;
  }

  async giveBack(tx: Tx, by: Actor, from: ContactRef, to: ContactRef, moved: Record<string, unknown>): Promise<void> {
    for (const follower of this.followers) {
      if (Object.hasOwn(moved, follower.name)) await follower.giveBack?.(tx, by, from, to, moved[follower.name]);
    }
  }
}

/** The ids of the records that were deleted. */
export const deletedIn = (changes: readonly ContactChange[]): number[] =>
  changes.flatMap(({ before, after }) => (before && !after ? [before.id] : []));

/** The groups that one record left, with who put it there, and those of them that the other joined. */
interface MovedGroups {
  left: StoredMembership[];
  joined: number[];
}

/** Memberships in groups. */
class GroupFollower implements ContactFollower {
  readonly name = 'groups';

  constructor(private readonly memberships: Memberships) {}

  async changed(tx: Tx, _by: Actor, noun: ContactNoun, changes: readonly ContactChange[]): Promise<void> {
    await this.memberships.removeAll(tx, noun, deletedIn(changes));
  }

  async hand(tx: Tx, _by: Actor, from: ContactRef, to: ContactRef): Promise<MovedGroups | null> {
    const left = await this.memberships.stored(tx, from);
    if (left.length === 0) return null;
    const { joined } = await this.memberships.move(tx, from, to);
    return { left, joined };
  }

  async giveBack(tx: Tx, _by: Actor, from: ContactRef, to: ContactRef, moved: unknown): Promise<void> {
    const { left, joined } = moved as MovedGroups;
    await this.memberships.restore(tx, from, left);
    for (const groupId of joined.toSorted((a, b) => a - b)) {
      await this.memberships.remove(tx, groupId, to.noun, [to.id]);
    }
  }
}
