import { DuplicateGroupView, DuplicatesMeta } from '../contacts/duplicates/contacts.duplicates.service';
import { LeadView } from './leads.dto';

export class LeadMergedView {
  /** For `POST /leads/merges/{mergeId}/undo`. */
  mergeId: number;
  record: LeadView;
}

export class LeadUnmergedView {
  /** The lead that exists again. */
  source: LeadView;
  target: LeadView;
  /** Fields of the target that were changed since the merge, and stayed so; custom fields and metadata by key. */
  kept: string[];
  /** Values that could not be put back, because what they belong to or name is gone. */
  notRestored: string[];
}

export class LeadDuplicatesView extends DuplicateGroupView {
  records: LeadView[];
}

export class LeadDuplicatesPage {
  data: LeadDuplicatesView[];
  meta: DuplicatesMeta;
}
