import { isDeepStrictEqual } from 'node:util';
import { checkSize, customPath, FieldSet } from '@muster/core/contact/custom-fields';
import { MAX_TAGS } from '@muster/core/contact/tags';
import { FieldError } from '@muster/core/errors';
import { MAX_METADATA_BYTES } from '../contacts.metadata';

type Values = Record<string, unknown>;

/** Whose value the merged record has. */
export const MERGE_CHOICES = ['source', 'target'] as const;
export type MergeChoice = (typeof MERGE_CHOICES)[number];
export type MergeChoices = Readonly<Record<string, unknown>>;

/** How two records of a noun become one, beside tags, custom fields, metadata and `doNotContact`, which all nouns have. */
export interface MergeRules {
  /** The fields that a client may choose; where it does not, the target's value stays unless it is blank. */
  fields: readonly string[];
  /** Fields that are one value with the one that they are listed under, such as the parts of a name. */
  parts?: Readonly<Record<string, readonly string[]>>;
  /** Fields that no client chooses: the source's fills the target's blank. */
  filled?: readonly string[];
}

/** What mergeable records have in common. */
interface Mergeable {
  phone: string | null;
  tags: string[];
  customFields: Values;
  metadata: Values;
  doNotContact: boolean;
}

const TAGS = 'tags';
const EXTENSION = 'phoneExtension';
const BOOKKEEPING = ['id', 'updatedAt', 'version'];

const isBlank = (value: unknown) =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);

const has = (values: Values, key: string) => Object.hasOwn(values, key);

/**
 * What the target is to be when the source becomes part of it. Nothing is cleared that the client did not choose, and `doNotContact`
 * never is. Tags beyond the limit, and what of the source's metadata and custom fields takes more room than a record has, are left out.
 * @param choices whose value to take, by field; custom fields as `customFields.<key>`
 * @returns errors that name wrong choices as `fields.<field>`: `unknown-field`, `option-unknown`, `required`, `too-long`
 */
export function mergeRecords<R extends Mergeable>(
  target: R,
  source: R,
  choices: MergeChoices,
  rules: MergeRules,
  set: FieldSet,
): { merged: R; errors: FieldError[] } {
  const errors = checkChoices(choices, rules, set);
  const merged = { ...target } as R & Values;
  const [theirs, ours] = [source as Values, target as Values];
  for (const field of rules.fields) {
    const parts = rules.parts?.[field] ?? [];
    const sameValue = isDeepStrictEqual(ours[field], theirs[field]) && parts.every((part) => isBlank(ours[part]));
    const takes = takesSource(choices[field], isBlank(ours[field]) || (parts.length > 0 && sameValue));
    if (takes) for (const each of [field, ...parts]) Object.assign(merged, { [each]: theirs[each] });
  }
  for (const field of rules.filled ?? []) {
    if (isBlank(ours[field])) Object.assign(merged, { [field]: theirs[field] });
  }
  const tookPhone = merged.phone !== target.phone;
  return {
    merged: Object.assign(merged, {
      tags: mergeTags(target.tags, source.tags, choices[TAGS]),
      customFields: mergeCustomFields(target.customFields, source.customFields, choices, set, errors),
      metadata: mergeMetadata(target.metadata, source.metadata, tookPhone),
      doNotContact: target.doNotContact || source.doNotContact,
    }),
    errors,
  };
}

const takesSource = (choice: unknown, byDefault: boolean) => (choice === undefined ? byDefault : choice === 'source');

function checkChoices(choices: MergeChoices, { fields }: MergeRules, set: FieldSet): FieldError[] {
  const known = new Set([...fields, TAGS, ...set.fields.map(({ key }) => customPath(key))]);
  return Object.entries(choices).flatMap(([name, choice]) => {
    const field = `fields.${name.slice(0, 100)}`;
    if (!known.has(name)) return { field, code: 'unknown-field', message: 'is no field that can be chosen' };
    if (MERGE_CHOICES.includes(choice as MergeChoice)) return [];
    return { field, code: 'option-unknown', message: `is none of: ${MERGE_CHOICES.join(', ')}` };
  });
}

function mergeTags(ours: string[], theirs: string[], choice: unknown): string[] {
  if (choice !== undefined) return choice === 'source' ? theirs : ours;
  const tags = [...ours];
  const seen = new Set(ours.map((tag) => tag.toLowerCase()));
  for (const tag of theirs) {
    if (tags.length >= MAX_TAGS) break;
    if (!seen.has(tag.toLowerCase())) tags.push(tag);
    seen.add(tag.toLowerCase());
  }
  return tags;
}

/** Values of the source whose field is no more stay behind. */
function mergeCustomFields(ours: Values, theirs: Values, choices: MergeChoices, set: FieldSet, errors: FieldError[]) {
  const values = { ...ours };
  for (const { key, label, required } of set.fields) {
    if (choices[customPath(key)] !== 'source') continue;
    if (has(theirs, key)) values[key] = theirs[key];
    else if (required) {
      const field = `fields.${customPath(key)}`;
      errors.push({ field, code: 'required', message: `${label} is required, and the source has none` });
    } else delete values[key];
  }
  checkSize(values, errors);
  for (const { key } of set.fields) {
    if (has(values, key) || has(ours, key) || !has(theirs, key) || choices[customPath(key)]) continue;
    const oversize: FieldError[] = [];
    checkSize({ ...values, [key]: theirs[key] }, oversize);
    if (oversize.length === 0) values[key] = theirs[key];
  }
  return values;
}

/** An extension belongs to its phone number, and comes or goes with it. */
function mergeMetadata(ours: Values, theirs: Values, tookPhone: boolean): Values {
  let merged = ours;
  const add = (key: string, value: unknown) => {
    const next = withKey(merged, key, value);
    if (Buffer.byteLength(JSON.stringify(next)) <= MAX_METADATA_BYTES) merged = next;
  };
  if (tookPhone) {
    merged = withoutKey(merged, EXTENSION);
    if (has(theirs, EXTENSION)) add(EXTENSION, theirs[EXTENSION]);
  }
  for (const [key, value] of Object.entries(theirs)) if (key !== EXTENSION && !has(ours, key)) add(key, value);
  return merged;
}

/** By entries, because an import keeps columns under any name, `__proto__` included. */
const withKey = (values: Values, key: string, value: unknown): Values =>
  Object.fromEntries([...Object.entries(values).filter(([name]) => name !== key), [key, value]]);
const withoutKey = (values: Values, key: string): Values =>
  Object.fromEntries(Object.entries(values).filter(([name]) => name !== key));

/**
 * What the target is to be when a merge is undone: as it was before, but for what was changed since the merge.
 * @returns `kept` names what was changed since, custom fields and metadata by key; one value that consists of several fields stays whole
 */
export function unmergeRecord<R extends Mergeable>(
  before: R,
  after: R,
  current: R,
  rules: MergeRules,
): { restored: R; kept: string[] } {
  const [old, merged, now] = [flat(before), flat(after), flat(current)];
  const names = [...new Set([...old.keys(), ...merged.keys(), ...now.keys()])];
  const kept = names.filter((name) => !isDeepStrictEqual(now.get(name), merged.get(name)));
  const units = [
    ...Object.entries(rules.parts ?? {}).map(([field, parts]) => [field, ...parts]),
    ['phone', `metadata.${EXTENSION}`],
  ];
  const stays = new Set([...kept, ...units.filter((unit) => unit.some((name) => kept.includes(name))).flat()]);
  const changed = names.filter((name) => !stays.has(name) && !isDeepStrictEqual(old.get(name), merged.get(name)));
  const restored = { ...current } as R & Values;
  for (const name of changed) {
    const [field, key] = split(name);
    const value = old.get(name);
    if (key === null) Object.assign(restored, { [field]: value });
    else {
      const values = restored[field] as Values;
      Object.assign(restored, { [field]: old.has(name) ? withKey(values, key, value) : withoutKey(values, key) });
    }
  }
  // Where nobody touched it, it comes back as it was written, down to the order of its keys.
  for (const field of ['customFields', 'metadata'] as const) {
    if (isDeepStrictEqual(restored[field], before[field])) Object.assign(restored, { [field]: before[field] });
  }
  return { restored, kept };
}

const NESTED = ['customFields', 'metadata'];

/** A record's values by name: custom fields and metadata by `<field>.<key>`, the others by field. */
function flat(record: object): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [field, value] of Object.entries(record)) {
    if (BOOKKEEPING.includes(field)) continue;
    if (!NESTED.includes(field)) values.set(field, value);
    else for (const [key, each] of Object.entries(value as Values)) values.set(`${field}.${key}`, each);
  }
  return values;
}

function split(name: string): [field: string, key: string | null] {
  const nested = NESTED.find((field) => name.startsWith(`${field}.`));
  return nested ? [nested, name.slice(nested.length + 1)] : [name, null];
}

/** What of custom fields the definitions of today allow: a field may have been removed, or be of another type now. */
export function fittingValues(set: FieldSet, values: Values): { values: Values; left: string[] } {
  const fits = ([key, value]: [string, unknown]) => {
    const checked = set.byKey.get(key)?.check(value);
    return checked !== undefined && !('code' in checked) && isDeepStrictEqual(checked.value, value);
  };
  const entries = Object.entries(values);
  return {
    values: Object.fromEntries(entries.filter(fits)),
    left: entries.filter((entry) => !fits(entry)).map(([key]) => key),
  };
}
