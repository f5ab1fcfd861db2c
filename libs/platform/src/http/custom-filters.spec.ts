import { validateSync } from 'class-validator';
import { AcceptsCustomFilters, IsListSort, readCustomFilters } from './custom-filters';
import { ListQueryDto } from './list-query.dto';
import { validationPipe } from './validation';

@AcceptsCustomFilters()
class OpenQuery extends ListQueryDto {
  @IsListSort(['name', '-name'])
  sort: string = 'name';
}

class NarrowerQuery extends OpenQuery {}

describe('filters by custom fields', () => {
  const check = (dto: new () => object, query: object) =>
    Promise.resolve(validationPipe().transform(query, { type: 'query', metatype: dto })).then(
      (value) => ({ ...(value as object) }),
      (error: { errors: { field: string; code: string }[] }) =>
        error.errors.map(({ field, code }) => `${field} ${code}`),
    );

  it('pass beside a query that allows them, and nowhere else', async () => {
    const query = { limit: '5', 'cf.size': ['S', 'M'] };
    expect(await check(OpenQuery, query)).toEqual({ page: 1, limit: 5, sort: 'name' });
    expect(await check(NarrowerQuery, query)).toEqual({ page: 1, limit: 5, sort: 'name' });
    expect(await check(ListQueryDto, query)).toEqual(['cf.size unknown-property']);
    expect(await check(OpenQuery, { ...query, cfsize: 'S' })).toEqual(['cfsize unknown-property']);
  });

  it('are read as lists of texts', () => {
    expect([...readCustomFilters({ 'cf.a': 'x', 'cf.b.from': ['1', '2'], limit: '5' })]).toEqual([
      ['cf.a', ['x']],
      ['cf.b.from', ['1', '2']],
    ]);
  });

  it.each([
    ['too many', Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`cf.f${n}`, 'x'])), 'cf.f10'],
    ['too many values', { 'cf.a': Array.from({ length: 101 }, () => 'x') }, 'cf.a'],
    ['too long', { 'cf.a': 'x'.repeat(2001) }, 'cf.a'],
  ])('are refused when they are %s', (_, query, field) => {
    const read = () => readCustomFilters(query);
    const errors = [expect.objectContaining({ field, code: 'filter-invalid' })];
    expect(read).toThrow(expect.objectContaining({ status: 422, code: 'filter-invalid', errors }));
  });

  it.each([
    ['name', true],
    ['-cf.shoeSize', true],
    ['cf.size', true],
    ['cf.', false],
    ['cf.Size', false],
    ['cf.a.b', false],
    ['other', false],
  ])('allow the sort %s: %p', (sort, allowed) => {
    expect(validateSync(Object.assign(new OpenQuery(), { sort })).length === 0).toBe(allowed);
  });
});
