import { MigrationClass } from '../dialect/dialect';
import { Foundation1700000000001 } from './1700000000001-foundation';

/** Every migration, in order. One list for all databases. */
export const migrations: MigrationClass[] = [Foundation1700000000001];
