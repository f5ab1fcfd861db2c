import { DuplicateGroupView, DuplicatesMeta } from '../contacts/duplicates/contacts.duplicates.service';
import { CustomerView } from './customers.dto';

export class CustomerMergedView {
  /** For `POST /customers/merges/{mergeId}/undo`. */
  mergeId: number;
  record: CustomerView;
}

export class CustomerUnmergedView {
  /** The customer that exists again. */
  source: CustomerView;
  target: CustomerView;
  /** Fields of the target that were changed since the merge, and stayed so; custom fields and metadata by key. */
  kept: string[];
  /** Values that could not be put back, because what they belong to or name is gone. */
  notRestored: string[];
}

export class CustomerDuplicatesView extends DuplicateGroupView {
  records: CustomerView[];
}

export class CustomerDuplicatesPage {
  data: CustomerDuplicatesView[];
  meta: DuplicatesMeta;
}
