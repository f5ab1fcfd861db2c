import { MigrationClass } from '../dialect/dialect';
import { Foundation1700000000001 } from './1700000000001-foundation';
import { Identity1700000000002 } from './1700000000002-identity';

/** Every migration, in order. One list for all databases. */
export const migrations: MigrationClass[] = [Foundation1700000000001, Identity1700000000002];
