import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ValidationError, ValidationPipe } from '@nestjs/common';
import { FieldError, invalid } from '@muster/core/errors';

/** Checks bodies and queries against their DTO: an unknown property is an error, like any other (422). */
export const validationPipe = () =>
  new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    transform: true,
    transformOptions: { exposeUnsetFields: false },
    exceptionFactory: (errors) =>
      invalid('validation-failed', 'The request is well-formed but not valid.', flatten(errors)),
  });

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
  const instance = plainToInstance(type, value, { exposeUnsetFields: false });
  const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
  if (errors.length > 0)
    throw invalid('validation-failed', `${path || 'The value'} is not valid.`, flatten(errors, path));
  return instance;
}
