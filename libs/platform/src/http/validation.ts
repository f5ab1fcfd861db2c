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
