import { checkCustomer, checkCustomerPatch, compileCustomerRow } from './customer-row';
import { TARGET_FIELDS } from './fields';

const context = { defaultRegion: 'US', today: '2026-06-01' };
const compile = (...targets: (string | null)[]) =>
  compileCustomerRow(
    targets.map((target, column) => ({ column, target })),
    context,
  );
const brief = (errors: { field: string; code: string }[]) => errors.map(({ field, code }) => `${field} ${code}`);

/** Invented. */
const ann = {
  fullName: 'Ann Sample',
  firstName: 'Ann',
  lastName: 'Sample',
  email: 'Ann@Example.com',
  phone: '(504) 555-0123',
  countryCode: 'USA',
  dateOfBirth: '4/5/1990',
  timezone: 'america/chicago',
  company: 'Example Ltd',
  title: 'Buyer',
  address: '1 Test St\nApt 2',
  city: 'Testville',
  state: 'LA',
  country: 'United States',
  zipCode: '08014',
  notes: 'one\r\ntwo',
  status: 'Suspended',
  tags: 'vip; new',
  doNotContact: '1',
};
const normalised = {
  ...ann,
  email: 'ann@example.com',
  phone: '+15045550123',
  phoneExtension: null,
  countryCode: 'US',
  dateOfBirth: '1990-04-05',
  timezone: 'America/Chicago',
  address: '1 Test St Apt 2',
  notes: 'one\ntwo',
  status: 'blocked',
  tags: ['vip', 'new'],
  doNotContact: true,
};

describe('compileCustomerRow', () => {
  it('knows every field of the vocabulary, but for whose it is and its groups', () => {
    expect([...Object.keys(ann), 'assignee', 'group']).toEqual(TARGET_FIELDS.customers.map((field) => field.key));
  });

  it('normalises every field', () => {
    expect(compile(...Object.keys(ann))(Object.values(ann))).toEqual({
      record: normalised,
      errors: [],
      statusGiven: true,
    });
  });

  it('reports every error of a row', () => {
    const bad: Record<keyof typeof ann, string> = {
      ...{ fullName: 'x'.repeat(201), firstName: 'x'.repeat(101), lastName: 'x'.repeat(101), email: 'x', phone: 'x' },
      ...{ countryCode: 'Atlantis', dateOfBirth: '2026-06-01', timezone: 'x', company: 'x'.repeat(201) },
      ...{ title: 'x'.repeat(101), address: 'x'.repeat(256), city: 'x'.repeat(101), state: 'x'.repeat(101) },
      ...{ country: 'x'.repeat(101), zipCode: 'x'.repeat(21), notes: 'x'.repeat(5001), status: 'x' },
      ...{ tags: 'x'.repeat(51), doNotContact: 'perhaps' },
    };
    const { errors } = compile(...Object.keys(bad))(Object.values(bad));
    expect(brief(errors).sort()).toEqual(
      [
        ...[
          'fullName too-long',
          'firstName too-long',
          'lastName too-long',
          'email email-invalid',
          'phone phone-invalid',
        ],
        ...['countryCode country-invalid', 'dateOfBirth date-invalid', 'timezone timezone-invalid', 'company too-long'],
        ...[
          'title too-long',
          'address too-long',
          'city too-long',
          'state too-long',
          'country too-long',
          'zipCode too-long',
        ],
        ...['notes too-long', 'status option-unknown', 'tags too-long', 'doNotContact boolean-invalid'],
      ].sort(),
    );
  });

  it('needs nothing but a name', () => {
    const { record, errors, statusGiven } = compile('fullName')(['Ann Sample']);
    expect(errors).toEqual([]);
    expect(statusGiven).toBe(false);
    expect(record).toMatchObject({
      firstName: 'Ann',
      lastName: 'Sample',
      email: null,
      status: 'active',
      zipCode: null,
    });
    expect(brief(compile('fullName', 'email')(['', 'a@example.com']).errors)).toEqual(['fullName required']);
  });

  it('makes the full name and its parts from each other', () => {
    const row = compile('fullName', 'firstName', 'lastName');
    expect(row(['', 'Ann', 'Sample']).record).toMatchObject({ fullName: 'Ann Sample' });
    expect(row(['Sample, Ann', '', '']).record).toMatchObject({
      fullName: 'Sample, Ann',
      firstName: 'Ann',
      lastName: 'Sample',
    });
    expect(row(['Ann Sample', 'Anna', '']).record).toMatchObject({
      fullName: 'Ann Sample',
      firstName: 'Anna',
      lastName: null,
    });
    expect(row([`Ann ${'x'.repeat(150)}`]).record).toMatchObject({ firstName: 'Ann', lastName: null });
    expect(brief(row(['', 'x'.repeat(100), 'y'.repeat(100)]).errors)).toEqual(['fullName too-long']);
  });

  it('reads days first outside America', () => {
    const row = compileCustomerRow(
      [
        { column: 0, target: 'fullName' },
        { column: 1, target: 'dateOfBirth' },
      ],
      { ...context, defaultRegion: 'DE' },
    );
    expect(row(['Ann', '4/5/1990']).record.dateOfBirth).toBe('1990-05-04');
  });
});

describe('checkCustomer', () => {
  it('normalises a whole customer', () => {
    const input = { ...ann, dateOfBirth: '1990-04-05', status: 'blocked', tags: ['vip', 'new'], doNotContact: true };
    expect(checkCustomer(input, context)).toEqual({ record: normalised, errors: [] });
  });

  it('makes the full name and its parts from each other', () => {
    expect(checkCustomer({ firstName: 'Ann', lastName: 'Sample' }, context).record.fullName).toBe('Ann Sample');
    expect(checkCustomer({ fullName: 'Ann Sample' }, context).record).toMatchObject({
      firstName: 'Ann',
      lastName: 'Sample',
    });
    expect(brief(checkCustomer({}, context).errors)).toEqual(['fullName required']);
  });

  it('takes dates and options only as they are spelled', () => {
    const { errors } = checkCustomer({ fullName: 'Ann', dateOfBirth: '4/5/1990', status: 'Active' }, context);
    expect(brief(errors)).toEqual(['dateOfBirth date-invalid', 'status option-unknown']);
  });
});

describe('checkCustomerPatch', () => {
  it('answers for the named fields only', () => {
    expect(checkCustomerPatch({ zipCode: ' 08014 ' }, context)).toEqual({ changes: { zipCode: '08014' }, errors: [] });
    expect(checkCustomerPatch({ firstName: 'Ann' }, context)).toEqual({ changes: { firstName: 'Ann' }, errors: [] });
    expect(checkCustomerPatch({ phone: null, notes: '' }, context)).toEqual({
      changes: { phone: null, phoneExtension: null, notes: null },
      errors: [],
    });
    expect(brief(checkCustomerPatch({ fullName: null, status: '' }, context).errors)).toEqual([
      'fullName required',
      'status required',
    ]);
  });
});
