import { FieldError } from '@muster/core/errors';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { ContactNoun } from './memberships/contacts.memberships.service';

/** The unique values that a write wants a record to have. */
export interface WantedValues {
  /** The record itself, which may hold them already. */
  id: number;
  email?: string | null;
  phone?: string | null;
}

/**
 * Which of the values other records hold: errors of code `duplicate-existing` that name the field and, where the condition holds for it,
 * the holder.
 */
export async function takenValues(
  database: Pick<Database, 'query'>,
  noun: ContactNoun,
  visible: SqlCondition,
  wanted: WantedValues,
): Promise<FieldError[]> {
  const { email = null, phone = null } = wanted;
  const holders = await database.query<{ id: number; email: string; phone: string; visible: number }>(
    `SELECT id, email, phone, CASE WHEN ${visible.sql} THEN 1 ELSE 0 END AS visible
     FROM ${noun} WHERE (email = ? OR phone = ?) AND id <> ?`,
    [...visible.params, email, phone, wanted.id],
  );
  return (['email', 'phone'] as const).flatMap((field) => {
    const value = wanted[field];
    const holder = value ? holders.find((row) => row[field] === value) : undefined;
    if (!holder) return [];
    const existing = Number(holder.visible) === 1 ? { existingId: Number(holder.id) } : {};
    return [{ field, code: 'duplicate-existing', message: 'is taken by another record', ...existing }];
  });
}
