import { Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsOptional, IsString, ValidateNested } from 'class-validator';
import { ProblemError } from '@muster/core/errors';
import { checkObject, validationPipe } from './validation';

class Part {
  @IsString()
  label: string;
}

class Whole {
  @IsOptional()
  @IsInt()
  count?: number;

  @IsOptional()
  @IsObject()
  free?: Record<string, unknown>;

  @IsOptional()
  @ValidateNested()
  @Type(() => Part)
  part?: Part;

  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Part)
  parts?: Part[];
}

const pipe = validationPipe();
const check = (value: unknown, type: 'body' | 'query' = 'body') =>
  Promise.resolve().then(() => pipe.transform(value, { type, metatype: Whole }));
const refusal = async (value: unknown, type?: 'body' | 'query') => {
  const error = await check(value, type).catch((thrown: unknown) => thrown);
  if (!(error instanceof ProblemError)) throw new Error(`not refused: ${JSON.stringify(error)}`);
  return { status: error.status, code: error.code, errors: error.errors?.map(({ field, code }) => `${field} ${code}`) };
};
const unknown = (...fields: string[]) => ({
  status: 422,
  code: 'validation-failed',
  errors: fields.map((field) => `${field} unknown-property`),
});

const NAMES = [...Object.getOwnPropertyNames(Object.prototype), 'prototype'];

describe('a property that is named like a member of every object', () => {
  it.each(NAMES)('%s is unknown, at the top and in nested objects', async (name) => {
    // JSON.parse makes a property of `__proto__`, where a literal would set the prototype.
    const own = JSON.parse(`{${JSON.stringify(name)}:1}`) as object;
    expect(await refusal(own)).toEqual(unknown(name));
    expect(await refusal(own, 'query')).toEqual(unknown(name));
    expect(await refusal({ part: own })).toEqual(unknown(`part.${name}`));
    expect(await refusal({ parts: [{ label: 'x' }, own] })).toEqual(unknown(`parts.1.${name}`));
    expect(await refusal({ free: { list: [[own]] } })).toEqual(unknown(`free.list.0.0.${name}`));
    expect(() => checkObject(Whole, own)).toThrow(ProblemError);
  });
});

describe('bodies', () => {
  it('pass when they are valid, with free JSON as it is', async () => {
    const value = { count: 3, free: { id: 1, role: 'x', nested: { list: [null, true] } }, parts: [{ label: 'x' }] };
    await expect(check(value)).resolves.toEqual(value);
  });

  it.each([[[]], [[{ count: 1 }]], ['text'], [7], [true]])('must be objects: %j', async (value) => {
    expect(await refusal(value)).toMatchObject({ status: 422, code: 'validation-failed' });
  });

  it('may not hold numbers that JSON can write and nobody can keep', async () => {
    expect(await refusal(JSON.parse('{"free":{"list":[1e400]}}'))).toMatchObject({
      errors: ['free.list.0 number-invalid'],
    });
  });

  it('are refused when they nest too deep, before anything recurses into them', async () => {
    const deep = (levels: number) => JSON.parse(`{"free":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`) as unknown;
    expect(await refusal(deep(100))).toMatchObject({ status: 400, code: 'malformed' });
    expect(await refusal(deep(100_000))).toMatchObject({ status: 400, code: 'malformed' });
    await expect(check(deep(50))).resolves.toBeDefined();
  });

  it('name at most 100 errors', async () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`p${n}`, n]));
    expect((await refusal(many)).errors).toHaveLength(100);
  });
});
