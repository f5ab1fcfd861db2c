import { getCountries } from 'libphonenumber-js';
import { TARGET_FIELDS } from '@muster/core/contact/fields';
import { checkTags } from '@muster/core/contact/tags';
import { invalid } from '@muster/core/errors';
import { checkObject } from '@muster/platform/http/validation';
import { isCustomTarget } from './imports.custom-fields';
import { CreateImportFields, ImportOptionsInput } from './imports.dto';
import { ImportOptions } from './imports.entity';
import { RunOptionsInput } from './imports.steps.dto';

/** What was asked for with an upload, checked. */
export interface ImportRequest {
  target: CreateImportFields['target'];
  options: ImportOptions;
  mapping: Record<string, string | null> | null;
  autoStart: boolean;
}

const refused = (field: string, code: string, message: string) =>
  invalid('validation-failed', `${field}: ${message}`, [{ field, code, message }]);

/** Checks the fields of an upload. @throws 422 `validation-failed` that names what is wrong */
export function readRequest(fields: Record<string, string>, defaultRegion: string): ImportRequest {
  const { target, options, mapping, autoStart } = checkObject(CreateImportFields, fields);
  const given = {
    ...(options === undefined ? {} : { options: parseJson('options', options) }),
    ...(mapping === undefined ? {} : { mapping: parseJson('mapping', mapping) }),
  };
  return toRequest({ target, ...given, autoStart: autoStart !== 'false' }, defaultRegion);
}

/** What was asked for in JSON. @throws 422 `validation-failed` */
export function toRequest(
  { target, options = {}, mapping, autoStart = true }: GivenRequest,
  defaultRegion: string,
): ImportRequest {
  return {
    target,
    options: readOptions(options, defaultRegion),
    mapping: mapping === undefined ? null : readMapping(target, mapping),
    autoStart,
  };
}

interface GivenRequest {
  target: CreateImportFields['target'];
  options?: unknown;
  mapping?: unknown;
  autoStart?: boolean;
}

export function readOptions(given: unknown, defaultRegion: string): ImportOptions {
  const input = checkObject(ImportOptionsInput, given, 'options');
  const region = input.defaultRegion ?? defaultRegion;
  if (!(getCountries() as string[]).includes(region)) {
    throw refused('options.defaultRegion', 'country-invalid', 'must be an ISO country code such as US');
  }
  return {
    ...(input.delimiter ? { delimiter: input.delimiter === 'tab' ? ('\t' as const) : input.delimiter } : {}),
    ...(input.encoding ? { encoding: input.encoding } : {}),
    ...(input.sheet === undefined || input.sheet === null ? {} : { sheet: checkSheet(input.sheet) }),
    duplicates: 'reject',
    tags: [],
    ...readRunOptions(input, 'options.'),
    defaultRegion: region,
    keepUnmapped: input.keepUnmapped ?? false,
  };
}

/**
 * The options of a checked body that say how rows become records; those that it leaves out are not there.
 * @param path what stands before the names of its properties in errors
 * @throws 422 `validation-failed`
 */
export function readRunOptions(input: RunOptionsInput, path = ''): Partial<ImportOptions> {
  const options: Partial<ImportOptions> = {};
  if (input.tags) {
    const tags = checkTags(input.tags);
    if ('code' in tags) throw refused(`${path}tags`, tags.code, tags.message);
    options.tags = tags.value;
  }
  if (input.duplicates) options.duplicates = input.duplicates;
  if (input.matchOn) options.matchOn = input.matchOn;
  if (input.blankClears !== undefined) options.blankClears = input.blankClears;
  if (input.assignTo) options.assignTo = input.assignTo;
  if (input.groupId) options.groupId = input.groupId;
  if (input.events) options.events = input.events;
  return options;
}

function checkSheet(sheet: unknown): string | number {
  const named = typeof sheet === 'string' && sheet !== '' && sheet.length <= 255;
  if (named || (typeof sheet === 'number' && Number.isSafeInteger(sheet) && sheet >= 1)) return sheet;
  throw refused('options.sheet', 'sheet-invalid', 'must be the name of a sheet, or its place from 1');
}

function readMapping(target: CreateImportFields['target'], given: unknown): Record<string, string | null> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw refused('mapping', 'object', 'must be an object from column name to target');
  }
  const known = new Set(TARGET_FIELDS[target].map(({ key }) => key));
  for (const [column, field] of Object.entries(given)) {
    if (field !== null && !known.has(field as string) && !(typeof field === 'string' && isCustomTarget(field))) {
      throw refused('mapping', 'target-unknown', `"${column}" is mapped to something that ${target} do not have`);
    }
  }
  return given as Record<string, string | null>;
}

function parseJson(field: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw refused(field, 'json', 'must be JSON');
  }
}
