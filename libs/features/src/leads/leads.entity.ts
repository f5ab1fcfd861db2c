import { type LeadStatus } from '@muster/core/contact/options';
import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** A lead as it is stored. `email` and `phone` are normalised (lower case; E.164) and unique. */
export interface Lead {
  id: number;
  name: string;
  email: string | null;
  phone: string | null;
  status: LeadStatus;
  source: string;
  company: string | null;
  assignedTo: number | null;
  tags: string[];
  customFields: Record<string, unknown>;
  metadata: Record<string, unknown>;
  imageUrl: string | null;
  doNotContact: boolean;
  /** The customer that was made of it. */
  convertedTo: number | null;
  /** The import and the row that made it. */
  originImportId: number | null;
  originRow: number | null;
  createdBy: number | null;
  createdAt: Date;
  updatedAt: Date;
  /** Counts the changes; the ETag. */
  version: number;
}

export const leadTable: TableDefinition = {
  name: 'leads',
  key: ['id'],
  columns: {
    id: column.id(),
    name: column.text(100),
    email: column.text(254, { nullable: true }),
    phone: column.text(20, { nullable: true }),
    status: column.text(20),
    source: column.text(50),
    company: column.text(200, { nullable: true }),
    assignedTo: column.id({ nullable: true }),
    tags: column.json(),
    customFields: column.json(),
    metadata: column.json(),
    imageUrl: column.text(2048, { nullable: true }),
    doNotContact: column.boolean(),
    convertedTo: column.id({ nullable: true }),
    originImportId: column.id({ nullable: true }),
    originRow: column.integer({ nullable: true }),
    createdBy: column.id({ nullable: true }),
    createdAt: column.time(),
    updatedAt: column.time(),
    version: column.integer(),
  },
  indexes: [
    { name: 'uq_leads_email', columns: ['email'], unique: true },
    { name: 'uq_leads_phone', columns: ['phone'], unique: true },
    { name: 'ix_leads_created', columns: ['createdAt', 'id'] },
    { name: 'ix_leads_assigned', columns: ['assignedTo', 'createdAt'] },
    { name: 'ix_leads_converted', columns: ['convertedTo'] },
    { name: 'ix_leads_creator', columns: ['createdBy', 'assignedTo', 'createdAt'] },
    { name: 'ix_leads_updated', columns: ['updatedAt'] },
    { name: 'ix_leads_name', columns: ['name'] },
    { name: 'ix_leads_status', columns: ['status', 'createdAt'] },
    { name: 'ix_leads_source', columns: ['source', 'createdAt'] },
    { name: 'ix_leads_origin', columns: ['originImportId', 'originRow'] },
  ],
};
