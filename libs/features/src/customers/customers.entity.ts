import { type CustomerStatus } from '@muster/core/contact/options';
import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** A customer as it is stored. `email` and `phone` are normalised (lower case; E.164) and unique. */
export interface Customer {
  id: number;
  fullName: string;
  firstName: string | null;
  lastName: string | null;
  email: string | null;
  phone: string | null;
  /** ISO 3166-1 alpha-2. */
  countryCode: string | null;
  /** `YYYY-MM-DD`. */
  dateOfBirth: string | null;
  /** IANA name. */
  timezone: string | null;
  company: string | null;
  title: string | null;
  address: string | null;
  city: string | null;
  state: string | null;
  country: string | null;
  zipCode: string | null;
  notes: string | null;
  status: CustomerStatus;
  ownerId: number | null;
  tags: string[];
  customFields: Record<string, unknown>;
  metadata: Record<string, unknown>;
  doNotContact: boolean;
  /** The import and the row that made it. */
  originImportId: number | null;
  originRow: number | null;
  createdBy: number | null;
  createdAt: Date;
  updatedAt: Date;
  /** Counts the changes; the ETag. */
  version: number;
}

export const customerTable: TableDefinition = {
  name: 'customers',
  key: ['id'],
  columns: {
    id: column.id(),
    fullName: column.text(200),
    firstName: column.text(100, { nullable: true }),
    lastName: column.text(100, { nullable: true }),
    email: column.text(254, { nullable: true }),
    phone: column.text(20, { nullable: true }),
    countryCode: column.text(2, { nullable: true }),
    dateOfBirth: column.text(10, { nullable: true }),
    timezone: column.text(64, { nullable: true }),
    company: column.text(200, { nullable: true }),
    title: column.text(100, { nullable: true }),
    address: column.text(255, { nullable: true }),
    city: column.text(100, { nullable: true }),
    state: column.text(100, { nullable: true }),
    country: column.text(100, { nullable: true }),
    zipCode: column.text(20, { nullable: true }),
    notes: column.longText({ nullable: true }),
    status: column.text(20),
    ownerId: column.id({ nullable: true }),
    tags: column.json(),
    customFields: column.json(),
    metadata: column.json(),
    doNotContact: column.boolean(),
    originImportId: column.id({ nullable: true }),
    originRow: column.integer({ nullable: true }),
    createdBy: column.id({ nullable: true }),
    createdAt: column.time(),
    updatedAt: column.time(),
    version: column.integer(),
  },
  indexes: [
    { name: 'uq_customers_email', columns: ['email'], unique: true },
    { name: 'uq_customers_phone', columns: ['phone'], unique: true },
    { name: 'ix_customers_created', columns: ['createdAt', 'id'] },
    { name: 'ix_customers_owner', columns: ['ownerId', 'createdAt'] },
    { name: 'ix_customers_creator', columns: ['createdBy', 'ownerId', 'createdAt'] },
    { name: 'ix_customers_updated', columns: ['updatedAt'] },
    { name: 'ix_customers_name', columns: ['fullName'] },
    { name: 'ix_customers_status', columns: ['status', 'createdAt'] },
    { name: 'ix_customers_origin', columns: ['originImportId', 'originRow'] },
  ],
};
