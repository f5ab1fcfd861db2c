import { parseBoolean } from './boolean';
import { normalizeCountry } from './country';
import { parseBirthDate, todayUtc, type DateHint } from './date';
import { normalizeEmail } from './email';
import { LIMITS, type ColumnTarget } from './fields';
import { joinName, splitName, type NameParts } from './name';
import { CUSTOMER_STATUSES, matchCustomerStatus, type CustomerStatus } from './options';
import { normalizePhone } from './phone';
import { take, type RowError } from './result';
import { columnsByField, demand, exactOption, isBlank, readCell, readText, type Cells, type CheckContext } from './row';
import { checkTags, tagReader } from './tags';
import { codePointLength } from './text';
import { normalizeTimezone } from './timezone';
import { restoreZip } from './zip';

/** The normalised values of a customer. A field that was refused is blank here and has its entry among the errors. */
export interface CustomerDraft {
  fullName: string;
  firstName: string | null;
  lastName: string | null;
  email: string | null;
  /** E.164. */
  phone: string | null;
  phoneExtension: string | null;
  /** ISO 3166 alpha-2. */
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
  /** Text: leading zeros count. */
  zipCode: string | null;
  notes: string | null;
  status: CustomerStatus;
  tags: string[];
  doNotContact: boolean;
}

/** What one row became. */
export interface CustomerRow {
  record: CustomerDraft;
  /** Every error of the row, empty when it can be stored. */
  errors: RowError[];
  /** False when `status` is only the default: it must not overwrite a stored one. */
  statusGiven: boolean;
}

/** The free-text fields that a customer may be without. */
const TEXT_FIELDS = ['company', 'title', 'address', 'city', 'state', 'country', 'zipCode'] as const;

const NAME_MISSING = 'a name is required';

/** The parts of a full name, without those that are too long to store. */
function deriveParts(fullName: string): NameParts {
  const parts = splitName(fullName);
  const fits = (part: string | null) => (part !== null && codePointLength(part) <= LIMITS.namePart ? part : null);
  return { firstName: fits(parts.firstName), lastName: fits(parts.lastName) };
}

/**
 * Prepares the reading of customer rows for one mapping; the function it gives is called once per row. The full name is made
 * from the parts where it is blank, and the parts from the full name where both are.
 *
 * @throws Error when the mapping names a field that customers do not have
 */
export function compileCustomerRow(
  mapping: readonly ColumnTarget[],
  context: CheckContext,
): (cells: Cells) => CustomerRow {
  const columns = columnsByField('customers', mapping);
  const [fullAt, firstAt, lastAt] = [columns('fullName'), columns('firstName'), columns('lastName')];
  const [emailAt, phoneAt, codeAt] = [columns('email'), columns('phone'), columns('countryCode')];
  const [birthAt, zoneAt, notesAt] = [columns('dateOfBirth'), columns('timezone'), columns('notes')];
  const [companyAt, titleAt, addressAt] = [columns('company'), columns('title'), columns('address')];
  const [cityAt, stateAt, countryAt] = [columns('city'), columns('state'), columns('country')];
  const [zipAt, statusAt, tagsAt] = [columns('zipCode'), columns('status'), columns('tags')];
  const blockedAt = columns('doNotContact');
  const { defaultRegion, maxTags, today = todayUtc() } = context;
  const readTags = tagReader(maxTags);
  const noTags = Object.freeze<string[]>([]) as string[];
  const hint: DateHint = { region: defaultRegion, dayFirst: context.dayFirst };

  return (cells) => {
    const errors: RowError[] = [];

    let fullName = readText(readCell(cells, fullAt), 'fullName', LIMITS.fullName, errors);
    let firstName = readText(readCell(cells, firstAt), 'firstName', LIMITS.namePart, errors);
    let lastName = readText(readCell(cells, lastAt), 'lastName', LIMITS.namePart, errors);
    if (fullName === null) {
      // Two parts of 100 characters and the space between are one more than a full name may have.
      fullName = readText(joinName(firstName, lastName), 'fullName', LIMITS.fullName, errors);
      if (fullName === null && errors.length === 0) demand('fullName', NAME_MISSING, errors);
    } else if (firstName === null && lastName === null && errors.length === 0) {
      ({ firstName, lastName } = deriveParts(fullName));
    }

    const emailText = readCell(cells, emailAt);
    const email = emailText === null ? null : take(normalizeEmail(emailText), 'email', errors);
    const phoneText = readCell(cells, phoneAt);
    const phone = phoneText === null ? null : take(normalizePhone(phoneText, defaultRegion), 'phone', errors);
    const codeText = readCell(cells, codeAt);
    const countryCode = codeText === null ? null : take(normalizeCountry(codeText), 'countryCode', errors);
    const birthText = readCell(cells, birthAt);
    const dateOfBirth = birthText === null ? null : take(parseBirthDate(birthText, hint, today), 'dateOfBirth', errors);
    const zoneText = readCell(cells, zoneAt);
    const timezone = zoneText === null ? null : take(normalizeTimezone(zoneText), 'timezone', errors);
    const statusText = readCell(cells, statusAt);
    const status = statusText === null ? null : take(matchCustomerStatus(statusText), 'status', errors);
    const tagsText = readCell(cells, tagsAt);
    const tags = tagsText === null ? null : take(readTags(tagsText), 'tags', errors);
    const blockedText = readCell(cells, blockedAt);
    const blocked = blockedText === null ? null : take(parseBoolean(blockedText), 'doNotContact', errors);

    const state = readText(readCell(cells, stateAt), 'state', LIMITS.state, errors);
    const country = readText(readCell(cells, countryAt), 'country', LIMITS.country, errors);
    const zip = readText(readCell(cells, zipAt), 'zipCode', LIMITS.zipCode, errors);

    return {
      record: {
        fullName: fullName ?? '',
        firstName,
        lastName,
        email,
        phone: phone === null ? null : phone.e164,
        phoneExtension: phone === null ? null : (phone.extension ?? null),
        countryCode,
        dateOfBirth,
        timezone,
        company: readText(readCell(cells, companyAt), 'company', LIMITS.company, errors),
        title: readText(readCell(cells, titleAt), 'title', LIMITS.title, errors),
        address: readText(readCell(cells, addressAt), 'address', LIMITS.address, errors),
        city: readText(readCell(cells, cityAt), 'city', LIMITS.city, errors),
        state,
        country,
        zipCode: zip === null ? null : restoreZip(zip, state, country ?? countryCode, defaultRegion),
        notes: readText(readCell(cells, notesAt), 'notes', LIMITS.notes, errors, true),
        status: status ?? 'active',
        tags: tags ?? noTags,
        doNotContact: blocked ?? false,
      },
      errors,
      statusGiven: status !== null,
    };
  };
}

/** The fields of a customer as a request gives them. Undefined is absent; null or blank is no value. */
export interface CustomerInput {
  fullName?: string | null;
  firstName?: string | null;
  lastName?: string | null;
  email?: string | null;
  phone?: string | null;
  countryCode?: string | null;
  dateOfBirth?: string | null;
  timezone?: string | null;
  company?: string | null;
  title?: string | null;
  address?: string | null;
  city?: string | null;
  state?: string | null;
  country?: string | null;
  zipCode?: string | null;
  notes?: string | null;
  status?: string | null;
  tags?: readonly string[] | null;
  doNotContact?: boolean | null;
}

const ISO_DATE = /^\d{4}-\d{2}-\d{2}$/;

/**
 * Checks the fields that a change of a customer names; fields that are absent stay absent. A full name without parts gives
 * the parts too; a part alone leaves the full name to the caller, who knows the other part. Dates are ISO only, options only
 * as the contract spells them.
 */
export function checkCustomerPatch(
  input: CustomerInput,
  context: CheckContext,
): { changes: Partial<CustomerDraft>; errors: RowError[] } {
  const errors: RowError[] = [];
  const changes: Partial<CustomerDraft> = {};

  if (input.fullName !== undefined) {
    const fullName = readText(input.fullName, 'fullName', LIMITS.fullName, errors);
    if (fullName === null && errors.length === 0) demand('fullName', NAME_MISSING, errors);
    changes.fullName = fullName ?? '';
    if (fullName !== null && input.firstName === undefined && input.lastName === undefined) {
      Object.assign(changes, deriveParts(fullName));
    }
  }
  for (const field of ['firstName', 'lastName'] as const) {
    const part = input[field];
    if (part !== undefined) changes[field] = readText(part, field, LIMITS.namePart, errors);
  }
  for (const field of TEXT_FIELDS) {
    const text = input[field];
    if (text !== undefined) changes[field] = readText(text, field, LIMITS[field], errors);
  }
  if (input.notes !== undefined) changes.notes = readText(input.notes, 'notes', LIMITS.notes, errors, true);

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
  if (input.countryCode !== undefined) {
    changes.countryCode = isBlank(input.countryCode)
      ? null
      : take(normalizeCountry(input.countryCode), 'countryCode', errors);
  }
  if (input.dateOfBirth !== undefined) {
    changes.dateOfBirth = null;
    if (!isBlank(input.dateOfBirth)) {
      const date = input.dateOfBirth.trim();
      changes.dateOfBirth = ISO_DATE.test(date)
        ? take(parseBirthDate(date, {}, context.today), 'dateOfBirth', errors)
        : take({ code: 'date-invalid', message: 'is not a date of the form YYYY-MM-DD' }, 'dateOfBirth', errors);
    }
  }
  if (input.timezone !== undefined) {
    changes.timezone = isBlank(input.timezone) ? null : take(normalizeTimezone(input.timezone), 'timezone', errors);
  }
  if (input.status !== undefined) {
    if (isBlank(input.status)) demand('status', 'is blank', errors);
    else changes.status = take(exactOption(input.status, CUSTOMER_STATUSES), 'status', errors) ?? 'active';
  }
  if (input.tags !== undefined) {
    changes.tags = take(checkTags(input.tags ?? [], context.maxTags), 'tags', errors) ?? [];
  }
  if (input.doNotContact !== undefined) changes.doNotContact = input.doNotContact ?? false;
  return { changes, errors };
}

/** Checks a whole customer, as a request gives it: `checkCustomerPatch`, and the name may not be missing. */
export function checkCustomer(
  input: CustomerInput,
  context: CheckContext,
): { record: CustomerDraft; errors: RowError[] } {
  const fullName = isBlank(input.fullName) ? joinName(input.firstName, input.lastName) : input.fullName;
  const hasParts = !isBlank(input.firstName) || !isBlank(input.lastName);
  const { changes, errors } = checkCustomerPatch(
    {
      ...input,
      fullName,
      firstName: hasParts ? (input.firstName ?? null) : undefined,
      lastName: hasParts ? (input.lastName ?? null) : undefined,
      status: input.status ?? undefined,
    },
    context,
  );
  const blank: CustomerDraft = {
    fullName: '',
    firstName: null,
    lastName: null,
    email: null,
    phone: null,
    phoneExtension: null,
    countryCode: null,
    dateOfBirth: null,
    timezone: null,
    company: null,
    title: null,
    address: null,
    city: null,
    state: null,
    country: null,
    zipCode: null,
    notes: null,
    status: 'active',
    tags: [],
    doNotContact: false,
  };
  return { record: { ...blank, ...changes }, errors };
}
