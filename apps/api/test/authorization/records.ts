import { writeFile } from 'node:fs/promises';
import type { Customer } from '@muster/features/customers/customers.entity';
import type { Import } from '@muster/features/imports/imports.entity';
import type { Lead } from '@muster/features/leads/leads.entity';
import { stageCsv } from '@muster/platform/tabular/staging';
import type { World } from './world';

/** Rows of the tables as tests make them: whole, valid, and like one another but for the given values. */
export function leadRow(world: World, values: Partial<Lead>): Lead {
  const id = values.id ?? world.id();
  const at = world.time();
  return {
    ...{ id, name: `Lead ${id}`, email: `lead${id}@example.com`, phone: null, status: 'new', source: 'test' },
    ...{ company: null, assignedTo: null, tags: [], customFields: {}, metadata: {}, imageUrl: null },
    ...{ doNotContact: false, convertedTo: null, originImportId: null, originRow: null, createdBy: null },
    ...{ createdAt: at, updatedAt: at, version: 1 },
    ...values,
  };
}

export function customerRow(world: World, values: Partial<Customer>): Customer {
  const id = values.id ?? world.id();
  const at = world.time();
  return {
    ...{ id, fullName: `Customer ${id}`, firstName: null, lastName: null, email: `customer${id}@example.com` },
    ...{ phone: null, countryCode: null, dateOfBirth: null, timezone: null, company: null, title: null },
    ...{ address: null, city: null, state: null, country: null, zipCode: null, notes: null, status: 'active' },
    ...{ ownerId: null, tags: [], customFields: {}, metadata: {}, doNotContact: false, originImportId: null },
    ...{ originRow: null, createdBy: null, createdAt: at, updatedAt: at, version: 1 },
    ...values,
  };
}

/** A file as an analysis leaves it: staged, in the file store. */
export interface StagedFile {
  key: string;
  columns: string[];
  /** The cells by row; row 1 is the first. */
  rows: string[][];
}

/** @param key of the staged table in the file store */
export async function stage(world: World, key: string, columns: string[], rows: string[][]): Promise<StagedFile> {
  await world.store(key, async (path) => {
    const source = `${path}.csv`;
    await writeFile(source, [columns, ...rows].map((cells) => `${cells.join(',')}\n`).join(''));
    await stageCsv(source, path);
  });
  return { key, columns, rows };
}

export function importRow(world: World, file: StagedFile, values: Partial<Import> & { createdBy: number }): Import {
  const at = world.time();
  const columns = file.columns.map((name) => ({
    ...{ name, type: 'text', filled: file.rows.length, empty: 0, distinct: file.rows.length, samples: [] },
    ...{ suggestedTarget: null, confidence: 0 },
  }));
  return {
    ...{ id: world.id(), target: 'leads', status: 'completed', fileName: 'people.csv', fileSize: 100 },
    ...{ fileHash: 'a'.repeat(64), fileKey: file.key, stagedKey: file.key, autoStart: true, mapping: {} },
    options: { duplicates: 'reject', defaultRegion: 'US', tags: [], keepUnmapped: false },
    analysis: { columns, encoding: 'utf-8', delimiter: ',', warnings: [], duplicateRows: 0, missing: [] },
    ...{ totalRows: file.rows.length, recordBase: 1, error: null, attempts: 0, token: 0, leasedUntil: null },
    ...{ waitingCode: null, waitingUntil: null, filesExpiredAt: null },
    ...{ requestId: null, createdAt: at, startedAt: at, finishedAt: at },
    ...values,
  };
}
