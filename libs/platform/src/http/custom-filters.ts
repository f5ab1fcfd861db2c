import { applyDecorators, createParamDecorator, ExecutionContext } from '@nestjs/common';
import { ApiQuery } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';
import { invalid } from '@muster/core/errors';

/** The query parameters of a list that begin with `cf.`: name (with `cf.`) to values, in the order in which they were given. */
export type CustomFilters = ReadonlyMap<string, readonly string[]>;

const PREFIX = 'cf.';
const SORT = /^-?cf\.[a-z][A-Za-z0-9_]{0,39}$/;
/** Each filter is a join, and no database takes many. */
const MAX_FILTERS = 10;
const MAX_VALUES = 100;
const MAX_VALUE = 2_000;

const ACCEPTS = Symbol('accepts custom filters');

/** Marks the DTO of a query beside which `cf.<key>` parameters are allowed; the route reads them by {@link CustomFilterQuery}. */
export const AcceptsCustomFilters = (): ClassDecorator => (dto) => Reflect.defineMetadata(ACCEPTS, true, dto);

/** A query without its `cf.` parameters, where its DTO allows them beside it. */
export function withoutCustomFilters(query: unknown, dto: unknown): unknown {
  if (typeof dto !== 'function' || !Reflect.getMetadata(ACCEPTS, dto)) return query;
  if (typeof query !== 'object' || query === null) return query;
  return Object.fromEntries(Object.entries(query).filter(([name]) => !name.startsWith(PREFIX)));
}

/** Takes the `cf.` parameters out of a raw query. @throws 422 `filter-invalid` when there are too many or they are too long */
export function readCustomFilters(query: Record<string, unknown>): CustomFilters {
  const filters = new Map<string, string[]>();
  for (const [name, given] of Object.entries(query)) {
    if (!name.startsWith(PREFIX)) continue;
    const values = (Array.isArray(given) ? given : [given]).map(String);
    if (values.length > MAX_VALUES) throw tooMuch(name, `has more than ${MAX_VALUES} values`);
    if (values.some((value) => value.length > MAX_VALUE)) throw tooMuch(name, `is longer than ${MAX_VALUE} characters`);
    if (filters.size === MAX_FILTERS)
      throw tooMuch(name, `is one of more than ${MAX_FILTERS} filters of custom fields`);
    filters.set(name, values);
  }
  return filters;
}

function tooMuch(name: string, message: string) {
  return invalid('filter-invalid', 'A filter is not valid.', [
    { field: name.slice(0, 100), code: 'filter-invalid', message },
  ]);
}

/** The `cf.` parameters of the request, as a controller's parameter. */
export const CustomFilterQuery = createParamDecorator((_: unknown, context: ExecutionContext): CustomFilters =>
  readCustomFilters(context.switchToHttp().getRequest<{ query: Record<string, unknown> }>().query ?? {}),
);

/** Accepts one of the named sorts, or `cf.<key>`; `-` before it is for descending. */
export const IsListSort = (sorts: readonly string[]) =>
  ValidateBy({
    name: 'isIn',
    validator: {
      validate: (value) => typeof value === 'string' && (sorts.includes(value) || SORT.test(value)),
      defaultMessage: () => `$property must be one of: ${sorts.join(', ')}, cf.<key>, -cf.<key>`,
    },
  });

/** Documents the `cf.` parameters of a list. */
export const ApiCustomFilters = () =>
  applyDecorators(
    ApiQuery({
      name: 'cf.<key>',
      required: false,
      type: [String],
      description:
        'Filter by a custom field that is `filterable`; repeated: any of the values. Texts and options in any case; blank: no value. ' +
        'Numbers and dates also by `cf.<key>.from` and `cf.<key>.to`, both ends included.',
    }),
  );
