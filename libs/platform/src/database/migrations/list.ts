import { MigrationClass } from '../dialect/dialect';
import { Foundation1700000000001 } from './1700000000001-foundation';
import { Identity1700000000002 } from './1700000000002-identity';
import { Access1700000000003 } from './1700000000003-access';
import { CustomFields1700000000004 } from './1700000000004-custom-fields';
import { Groups1700000000005 } from './1700000000005-groups';
import { Search1700000000006 } from './1700000000006-search';
import { Merges1700000000007 } from './1700000000007-merges';
import { ImportMappings1700000000008 } from './1700000000008-import-mappings';
import { ImportChanges1700000000009 } from './1700000000009-import-changes';
import { ImportUndo1700000000010 } from './1700000000010-import-undo';
import { ImportPlans1700000000012 } from './1700000000012-import-plans';
import { ImportUploads1700000000011 } from './1700000000011-import-uploads';
import { ListCounts1700000000013 } from './1700000000013-list-counts';

/** Every migration, in order. One list for all databases. */
export const migrations: MigrationClass[] = [
  Foundation1700000000001,
  Identity1700000000002,
  Access1700000000003,
  CustomFields1700000000004,
  Groups1700000000005,
  Search1700000000006,
  Merges1700000000007,
  ImportMappings1700000000008,
  ImportChanges1700000000009,
  ImportUndo1700000000010,
  ImportUploads1700000000011,
  ImportPlans1700000000012,
  ListCounts1700000000013,
];
