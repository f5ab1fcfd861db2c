import { column, TableDefinition } from '@muster/platform/database/dialect/columns';
import { ContactNoun } from '../memberships/contacts.memberships.service';

/** A record as JSON keeps it: times are texts. */
export type StoredRecord = Record<string, unknown>;

/** One record became part of another. Kept so that it can be undone. */
export interface ContactMerge {
  id: number;
  noun: ContactNoun;
  targetId: number;
  sourceId: number;
  /** Both records with all columns, as they were. */
  targetBefore: StoredRecord;
  sourceBefore: StoredRecord;
  targetAfter: StoredRecord;
  /** What belonged to the source and went over to the target, by follower. */
  moved: Record<string, unknown>;
  mergedBy: number;
  mergedAt: Date;
  undoneBy: number | null;
  undoneAt: Date | null;
}

export const contactMergeTable: TableDefinition = {
  name: 'contact_merges',
  key: ['id'],
  columns: {
    id: column.serial(),
    noun: column.text(20),
    targetId: column.id(),
    sourceId: column.id(),
    targetBefore: column.json(),
    sourceBefore: column.json(),
    targetAfter: column.json(),
    moved: column.json(),
    mergedBy: column.id(),
    mergedAt: column.time(),
    undoneBy: column.id({ nullable: true }),
    undoneAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_contact_merges_target', columns: ['noun', 'targetId'] },
    { name: 'ix_contact_merges_source', columns: ['noun', 'sourceId'] },
  ],
};
