import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ArgumentMetadata, ValidationError, ValidationPipe } from '@nestjs/common';
import { badRequest, FieldError, invalid } from '@muster/core/errors';
import { isDeeper } from '@muster/core/json';

/** How deep a body may be nested: the transformer recurses, and would end in a stack overflow. */
const MAX_DEPTH = 100;

class StrictValidationPipe extends ValidationPipe {
  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (isDeeper(value, MAX_DEPTH)) throw badRequest('malformed', `A body may be nested ${MAX_DEPTH} levels deep.`);
    return super.transform(value, metadata) as Promise<unknown>;
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
