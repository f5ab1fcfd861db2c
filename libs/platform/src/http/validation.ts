import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ArgumentMetadata, ValidationError, ValidationPipe } from '@nestjs/common';
import { badRequest, FieldError, validationFailed, invalid } from '@muster/core/errors';
import { isDeeper } from '@muster/core/json';
import { withoutCustomFilters } from './custom-filters';

/** How deep a body may be nested: the transformer recurses, and would end in a stack overflow. */
const MAX_DEPTH = 100;

/** How many errors an answer names, and the longest name of a field in it, in UTF-16 units. */
const MAX_ERRORS = 100;
const MAX_NAME = 200;

/**
 * What every object has, and so cannot be told from what a client sent: class-transformer and class-validator pass over
 * properties of these names without a word.
 */
const RESERVED = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);

class StrictValidationPipe extends ValidationPipe {
  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' || metadata.type === 'query') checkShape(value);
    if (metadata.type === 'body' && value !== undefined && value !== null && !isObject(value)) {
      throw invalid('validation-failed', 'The body must be an object.', [
        { field: '', code: 'object', message: 'must be an object' },
      ]);
    }
    const checked = metadata.type === 'query' ? withoutCustomFilters(value, metadata.metatype) : value;
    return super.transform(checked, metadata) as Promise<unknown>;
  }

  /** Leaves path and query texts as they are: coerced here, `01` or `1e3` would count as ids. */
  protected override transformPrimitive(value: unknown): unknown {
    return value;
  }
}

/** Checks bodies and queries against their DTO: an unknown property is an error, like any other (422). */
export const validationPipe = () =>
  new StrictValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    transform: true,
    transformOptions: { exposeUnsetFields: false },
    exceptionFactory: (errors) => notValid(flatten(errors)),
  });

/** A client's own property names may be as long as its body: the answer shows their begin. */
const notValid = (errors: FieldError[], detail?: string) =>
  validationFailed(
    errors.slice(0, MAX_ERRORS).map(({ field, code, message }) => ({
      field: field.slice(0, MAX_NAME),
      code,
      message: message.slice(0, 2 * MAX_NAME),
    })),
    detail,
  );

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Holds parsed JSON to what can be checked and kept as it is, at any depth, free JSON included.
 * @throws 400 `malformed` when it is nested too deep; 422 `validation-failed` naming reserved properties and numbers that are
 * too large for a number
 */
function checkShape(value: unknown, path = ''): void {
  if (isDeeper(value, MAX_DEPTH)) throw badRequest('malformed', `A body may be nested ${MAX_DEPTH} levels deep.`);
  const errors: FieldError[] = [];
  collectFaults(value, path, errors);
  if (errors.length > 0) throw notValid(errors);
}

function collectFaults(value: unknown, path: string, errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS) return;
  if (typeof value === 'number' && !Number.isFinite(value)) {
    errors.push({ field: path, code: 'number-invalid', message: 'is too large for a number' });
  }
  if (typeof value !== 'object' || value === null) return;
  for (const name of Object.keys(value)) {
    const field = path ? `${path}.${name}` : name;
    if (RESERVED.has(name)) {
      errors.push({ field, code: 'unknown-property', message: `property ${name} should not exist` });
    } else collectFaults((value as Record<string, unknown>)[name], field, errors);
  }
}

const CODES: Record<string, string> = {
  whitelistValidation: 'unknown-property',
  isNotEmpty: 'required',
  isDefined: 'required',
};

function flatten(errors: ValidationError[], path = ''): FieldError[] {
  return errors.flatMap((error) => {
    const field = path ? `${path}.${error.property}` : error.property;
    const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
      field,
      code: CODES[rule] ?? rule.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      message,
    }));
    return [...own, ...flatten(error.children ?? [], field)];
  });
}

/** Checks a value that did not come as a body (a JSON text in a form, say) against a DTO. @throws 422 `validation-failed` */
export function checkObject<T extends object>(type: new () => T, value: unknown, path = ''): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('validation-failed', `${path || 'The value'} must be an object.`, [
      { field: path, code: 'object', message: 'must be an object' },
    ]);
  }
  checkShape(value, path);
  const instance = plainToInstance(type, value, { exposeUnsetFields: false });
  const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
  if (errors.length > 0) throw notValid(flatten(errors, path), `${path || 'The value'} is not valid.`);
  return instance;
}
