import { parseBoolean } from './boolean';
import { normalizeEmail } from './email';
import { DEFAULT_IMPORT_SOURCE, LIMITS, type ColumnTarget } from './fields';
import { joinName } from './name';
import { LEAD_STATUSES, matchLeadStatus, type LeadStatus } from './options';
import { normalizePhone } from './phone';
import { take, type RowError } from './result';
import { columnsByField, demand, exactOption, isBlank, readCell, readText, type Cells, type CheckContext } from './row';
import { checkTags, tagReader } from './tags';
import { cleanText } from './text';
import { normalizeUrl } from './url';

/** The normalised values of a lead. A field that was refused is blank here and has its entry among the errors. */
export interface LeadDraft {
  name: string;
  email: string | null;
  /** E.164. */
  phone: string | null;
  phoneExtension: string | null;
  status: LeadStatus;
  source: string;
  company: string | null;
  tags: string[];
  doNotContact: boolean;
  imageUrl: string | null;
}

/** What one row became. */
export interface LeadRow {
  record: LeadDraft;
  /** Every error of the row, empty when it can be stored. */
  errors: RowError[];
  /** False when `status` is only the default: it must not overwrite a stored one. */
  statusGiven: boolean;
  /** False when `source` is only the default. */
  sourceGiven: boolean;
}

const CONTACT_MISSING = 'an e-mail address or a phone number is required';

/**
 * Prepares the reading of lead rows for one mapping; the function it gives is called once per row.
 *
 * @throws Error when the mapping names a field that leads do not have
 */
export function compileLeadRow(mapping: readonly ColumnTarget[], context: CheckContext): (cells: Cells) => LeadRow {
  const columns = columnsByField('leads', mapping);
  const [nameAt, firstAt, lastAt] = [columns('name'), columns('firstName'), columns('lastName')];
  const [emailAt, phoneAt, companyAt] = [columns('email'), columns('phone'), columns('company')];
  const [statusAt, sourceAt, tagsAt] = [columns('status'), columns('source'), columns('tags')];
  const [blockedAt, imageAt] = [columns('doNotContact'), columns('imageUrl')];
  const { defaultRegion, maxTags, defaultSource = DEFAULT_IMPORT_SOURCE } = context;
  const readTags = tagReader(maxTags);
  const noTags = Object.freeze<string[]>([]) as string[];

  return (cells) => {
    const errors: RowError[] = [];

    let fullName = readCell(cells, nameAt);
    if (fullName === null) fullName = joinName(readCell(cells, firstAt), readCell(cells, lastAt));
    const name = take(cleanText(fullName, LIMITS.leadName, LIMITS.leadNameMin), 'name', errors);

    const emailText = readCell(cells, emailAt);
    const email = emailText === null ? null : take(normalizeEmail(emailText), 'email', errors);
    const phoneText = readCell(cells, phoneAt);
    const phone = phoneText === null ? null : take(normalizePhone(phoneText, defaultRegion), 'phone', errors);
    if (emailText === null && phoneText === null) demand('email', CONTACT_MISSING, errors);

    const statusText = readCell(cells, statusAt);
    const status = statusText === null ? null : take(matchLeadStatus(statusText), 'status', errors);
    const sourceText = readCell(cells, sourceAt);
    const source =
      sourceText === null ? null : take(cleanText(sourceText, LIMITS.source, LIMITS.sourceMin), 'source', errors);
    const company = readText(readCell(cells, companyAt), 'company', LIMITS.company, errors);
    const tagsText = readCell(cells, tagsAt);
    const tags = tagsText === null ? null : take(readTags(tagsText), 'tags', errors);
    const blockedText = readCell(cells, blockedAt);
    const blocked = blockedText === null ? null : take(parseBoolean(blockedText), 'doNotContact', errors);
    const imageText = readCell(cells, imageAt);
    const imageUrl = imageText === null ? null : take(normalizeUrl(imageText), 'imageUrl', errors);

    return {
      record: {
        name: name ?? '',
        email,
        phone: phone === null ? null : phone.e164,
        phoneExtension: phone === null ? null : (phone.extension ?? null),
        status: status ?? 'new',
        source: source ?? defaultSource,
        company,
        tags: tags ?? noTags,
        doNotContact: blocked ?? false,
        imageUrl,
      },
      errors,
      statusGiven: status !== null,
      sourceGiven: source !== null,
    };
  };
}

/** The fields of a lead as a request gives them. Undefined is absent; null or blank is no value. */
export interface LeadInput {
  name?: string | null;
  email?: string | null;
  phone?: string | null;
  status?: string | null;
  source?: string | null;
  company?: string | null;
  tags?: readonly string[] | null;
  doNotContact?: boolean | null;
  imageUrl?: string | null;
}

/**
 * Checks the fields that a change of a lead names; fields that are absent stay absent. A field that a lead cannot be without
 * cannot be blanked (`required`). That an e-mail address or a phone number remains is for the caller, who knows the lead.
 * Options are taken only as the contract spells them.
 */
export function checkLeadPatch(
  input: LeadInput,
  context: CheckContext,
): { changes: Partial<LeadDraft>; errors: RowError[] } {
  const errors: RowError[] = [];
  const changes: Partial<LeadDraft> = {};

  if (input.name !== undefined) {
    changes.name = take(cleanText(input.name ?? '', LIMITS.leadName, LIMITS.leadNameMin), 'name', errors) ?? '';
  }
  if (input.email !== undefined) {
    changes.email = isBlank(input.email) ? null : take(normalizeEmail(input.email), 'email', errors);
  }
  if (input.phone !== undefined) {
    const phone = isBlank(input.phone)
      ? null
      : take(normalizePhone(input.phone, context.defaultRegion), 'phone', errors);
    changes.phone = phone?.e164 ?? null;
    changes.phoneExtension = phone?.extension ?? null;
  }
  if (input.status !== undefined) {
    if (isBlank(input.status)) demand('status', 'is blank', errors);
    else changes.status = take(exactOption(input.status, LEAD_STATUSES), 'status', errors) ?? 'new';
  }
  if (input.source !== undefined) {
    changes.source = take(cleanText(input.source ?? '', LIMITS.source, LIMITS.sourceMin), 'source', errors) ?? '';
  }
  if (input.company !== undefined) {
    changes.company = readText(input.company, 'company', LIMITS.company, errors);
  }
  if (input.tags !== undefined) {
    changes.tags = take(checkTags(input.tags ?? [], context.maxTags), 'tags', errors) ?? [];
  }
  if (input.doNotContact !== undefined) changes.doNotContact = input.doNotContact ?? false;
  if (input.imageUrl !== undefined) {
    changes.imageUrl = isBlank(input.imageUrl) ? null : take(normalizeUrl(input.imageUrl), 'imageUrl', errors);
  }
  return { changes, errors };
}

/** Checks a whole lead, as a request gives it: `checkLeadPatch`, and nothing that a lead needs may be missing. */
export function checkLead(input: LeadInput, context: CheckContext): { record: LeadDraft; errors: RowError[] } {
  const status = input.status ?? undefined;
  const source = isBlank(input.source) ? context.defaultSource : input.source;
  const { changes, errors } = checkLeadPatch(
    { ...input, name: input.name ?? null, status, source: source ?? null },
    context,
  );
  if (isBlank(input.email) && isBlank(input.phone)) demand('email', CONTACT_MISSING, errors);
  const blank: LeadDraft = {
    name: '',
    email: null,
    phone: null,
    phoneExtension: null,
    status: 'new',
    source: '',
    company: null,
    tags: [],
    doNotContact: false,
    imageUrl: null,
  };
  return { record: { ...blank, ...changes }, errors };
}
