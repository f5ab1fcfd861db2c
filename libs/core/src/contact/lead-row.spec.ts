import { checkLead, checkLeadPatch, compileLeadRow, type LeadDraft } from './lead-row';

const context = { defaultRegion: 'US' };
const compile = (...targets: (string | null)[]) =>
  compileLeadRow(
    targets.map((target, column) => ({ column, target })),
    context,
  );

const ann: LeadDraft = {
  name: 'Ann Sample',
  email: 'ann@example.com',
  phone: '+15045550123',
  phoneExtension: '12',
  status: 'converted',
  source: 'Web form',
  company: 'Example Ltd',
  tags: ['vip', 'new'],
  doNotContact: true,
  imageUrl: 'https://example.com/a.png',
};

describe('compileLeadRow', () => {
  const all = compile('name', 'email', 'phone', 'status', 'source', 'company', 'tags', 'doNotContact', 'imageUrl');

  it('normalises every field', () => {
    const row = all([
      ...[' Ann Sample ', ' Ann@Example.com', "'+1 (504) 555-0123 x12", 'Closed Won', 'Web form', ' Example Ltd '],
      ...['vip, new, VIP', 'yes', 'https://example.com/a.png'],
    ]);
    expect(row).toEqual({ record: ann, errors: [], statusGiven: true, sourceGiven: true });
  });

  it('has defaults for what is blank, and says so', () => {
    const row = all(['Ann Sample', 'ann@example.com', '', null, ' ', undefined]);
    expect(row).toEqual({
      record: {
        ...ann,
        ...{ phone: null, phoneExtension: null, status: 'new', source: 'import', company: null },
        ...{ tags: [], doNotContact: false, imageUrl: null },
      },
      errors: [],
      statusGiven: false,
      sourceGiven: false,
    });
  });

  it('reports every error of a row', () => {
    const { errors } = all(['A', 'ann@', '12', 'purple', 'x', 'c'.repeat(201), 't'.repeat(51), 'maybe', 'ftp://x']);
    expect(errors.map(({ field, code }) => [field, code])).toEqual([
      ['name', 'too-short'],
      ['email', 'email-invalid'],
      ['phone', 'phone-invalid'],
      ['status', 'option-unknown'],
      ['source', 'too-short'],
      ['company', 'too-long'],
      ['tags', 'too-long'],
      ['doNotContact', 'boolean-invalid'],
      ['imageUrl', 'url-invalid'],
    ]);
  });

  it('needs a name and an e-mail address or a phone number', () => {
    expect(all([]).errors.map(({ field, code }) => [field, code])).toEqual([
      ['name', 'required'],
      ['email', 'required'],
    ]);
    expect(all(['Ann', '', '504-555-0123']).errors).toEqual([]);
    expect(all(['Ann', 'bad', '']).errors).toHaveLength(1);
    expect(all(['Ann', '', 'bad']).errors).toHaveLength(1);
  });

  it('joins the parts of a name, where the whole is blank', () => {
    const row = compile('firstName', 'lastName', 'email', 'name');
    expect(row(['Ann', 'Sample', 'a@example.com', '']).record.name).toBe('Ann Sample');
    expect(row(['', 'Sample', 'a@example.com']).record.name).toBe('Sample');
    expect(row(['Ann', 'Sample', 'a@example.com', 'Dr. Ann Sample']).record.name).toBe('Dr. Ann Sample');
    expect(row(['a'.repeat(60), 'b'.repeat(60), 'a@example.com']).errors).toMatchObject([
      { field: 'name', code: 'too-long' },
    ]);
  });

  it('takes the first filled of several columns', () => {
    const row = compile('name', 'phone', 'phone');
    expect(row(['Ann', ' ', '504-555-0123']).record.phone).toBe('+15045550123');
    expect(row(['Ann', '504-555-0145', '504-555-0123']).record.phone).toBe('+15045550145');
  });

  it('takes protecting quotes away', () => {
    expect(compile('name', 'email')(["'=Ann", 'a@example.com']).record.name).toBe('=Ann');
  });

  it('leaves out what is not mapped, and refuses what does not exist', () => {
    expect(compile(null, 'name', 'cf.size', 'email')(['x', 'Ann', 'XL', 'a@example.com']).errors).toEqual([]);
    expect(() => compile('fullName')).toThrow('leads have no field "fullName"');
    expect(() => compileLeadRow([{ column: -1, target: 'name' }], context)).toThrow('column -1');
  });

  it('gives each row errors of its own, and tags that nobody can change', () => {
    const row = compile('name', 'email');
    const [first, second] = [row(['Ann', 'a@example.com']), row(['Ann', 'a@example.com'])];
    first.errors.push({ field: 'email', code: 'duplicate-existing', message: 'exists' });
    expect(second.errors).toEqual([]);
    expect(() => first.record.tags.push('x')).toThrow(TypeError);
  });

  it('shows little of a long value', () => {
    const [error] = compile('name', 'email')(['Ann', `${'x'.repeat(100_000)}@`]).errors;
    expect(error.message.length).toBeLessThan(80);
  });
});

describe('checkLead', () => {
  const input = { name: ' Ann Sample', email: 'ANN@example.com', source: 'web' };

  it('normalises a whole lead', () => {
    expect(checkLead({ ...input, phone: '504-555-0123 x12', tags: [' a '], status: 'lost' }, context)).toEqual({
      record: {
        ...{
          name: 'Ann Sample',
          email: 'ann@example.com',
          phone: '+15045550123',
          phoneExtension: '12',
          status: 'lost',
        },
        ...{ source: 'web', company: null, tags: ['a'], doNotContact: false, imageUrl: null },
      },
      errors: [],
    });
  });

  it('says what is missing', () => {
    const codes = (errors: { field: string; code: string }[]) => errors.map(({ field, code }) => `${field} ${code}`);
    expect(codes(checkLead({}, context).errors)).toEqual(['name required', 'source required', 'email required']);
    expect(codes(checkLead({ name: ' ', email: '', phone: null, source: 'x' }, context).errors)).toEqual([
      'name required',
      'source too-short',
      'email required',
    ]);
    expect(checkLead({ ...input, source: undefined }, { ...context, defaultSource: 'api' }).record.source).toBe('api');
  });

  it('takes options only as they are spelled', () => {
    expect(checkLead({ ...input, status: 'won' }, context).errors).toMatchObject([
      { field: 'status', code: 'option-unknown' },
    ]);
    expect(checkLead({ ...input, status: null }, context)).toMatchObject({ record: { status: 'new' }, errors: [] });
  });
});

describe('checkLeadPatch', () => {
  it('answers for the named fields only', () => {
    expect(checkLeadPatch({ phone: '504-555-0123' }, context)).toEqual({
      changes: { phone: '+15045550123', phoneExtension: null },
      errors: [],
    });
    expect(checkLeadPatch({}, context)).toEqual({ changes: {}, errors: [] });
  });
  it('blanks what may be blank', () => {
    expect(checkLeadPatch({ email: null, company: ' ', tags: null, imageUrl: '' }, context)).toEqual({
      changes: { email: null, company: null, tags: [], imageUrl: null },
      errors: [],
    });
    const { errors } = checkLeadPatch({ name: null, status: null, source: '' }, context);
    expect(errors.map(({ field, code }) => `${field} ${code}`)).toEqual([
      'name required',
      'status required',
      'source required',
    ]);
  });
});
