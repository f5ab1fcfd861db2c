import { TARGET_FIELDS, type ContactTarget } from './fields';
import { foldHeader, missingRequired, suggestMapping } from './header-match';

function targets(target: ContactTarget, columns: readonly (string | [name: string, ...samples: string[]])[]) {
  const sampled = columns.map((column) =>
    typeof column === 'string' ? { name: column, samples: [] } : { name: column[0], samples: column.slice(1) },
  );
  return suggestMapping(target, sampled).map((suggestion) => suggestion.target);
}

describe('foldHeader', () => {
  it.each([
    ['emailAddress', 'email address'],
    ['ZIPCode', 'zip code'],
    ['Phone1', 'phone 1'],
    ['Cell #', 'cell'],
    ['first_name', 'first name'],
    ['PRÉNOM', 'prenom'],
    ['Straße/Nr.', 'strasse nr'],
    ['  ', ''],
  ])('folds %s', (header, words) => {
    expect(foldHeader(header)).toBe(words);
  });
});

describe('the vocabulary', () => {
  it.each(['leads', 'customers'] as const)('of %s is written folded', (target) => {
    for (const field of TARGET_FIELDS[target]) {
      for (const alias of field.aliases) expect(foldHeader(alias)).toBe(alias);
    }
  });
  it.each(['leads', 'customers'] as const)('of %s has no alias for two fields', (target) => {
    const aliases = TARGET_FIELDS[target].flatMap((field) => field.aliases);
    expect(aliases.filter((alias, index) => aliases.indexOf(alias) !== index)).toEqual([]);
  });
});

describe('suggestMapping', () => {
  it.each([
    ['full_name', 'name'],
    ['Full Name', 'name'],
    ['Contact Name', 'name'],
    ['E-mail', 'email'],
    ['E-Mail Address', 'email'],
    ['emailAddress', 'email'],
    ['Primary Email', 'email'],
    ['Correo', 'email'],
    ['phone1', 'phone'],
    ['Phone 1', 'phone'],
    ['mobile', 'phone'],
    ['Cell #', 'phone'],
    ['Tel.', 'phone'],
    ['Teléfono', 'phone'],
    ['Deal Stage', 'status'],
    ['Stage', 'status'],
    ['Lead Status', 'status'],
    ['Lead Source', 'source'],
    ['Company Name', 'company'],
    ['company_name', 'company'],
    ['Organisation', 'company'],
    ['Account', 'company'],
    ['Tags', 'tags'],
    ['Opted Out', 'doNotContact'],
    ['Fax', null],
    ['Lead Owner', 'assignee'],
    ['Owner', 'assignee'],
    ['Owner Email', 'assignee'],
    ['Assigned To', 'assignee'],
    ['Sales Rep', 'assignee'],
    ['Zuständig', 'assignee'],
    ['Asignado a', 'assignee'],
    ['Owner ID', null],
    ['Owner Phone', null],
    ['Manager', null],
    ['Group', 'group'],
    ['Gruppen', 'group'],
    ['Group ID', null],
    ['User ID', null],
    ['File Name', null],
    ['', null],
    ['_row', null],
    ['_errors', null],
    ['constructor', null],
  ])('maps the lead header %s to %s', (header, target) => {
    expect(targets('leads', [header])).toEqual([target]);
  });

  it.each([
    ['ZIP', 'zipCode'],
    ['Postal Code', 'zipCode'],
    ['PLZ', 'zipCode'],
    ['Birthday', 'dateOfBirth'],
    ['DOB', 'dateOfBirth'],
    ['Geburtsdatum', 'dateOfBirth'],
    ['Address Line 1', 'address'],
    ['Straße', 'address'],
    ['Mailing City', 'city'],
    ['Ort', 'city'],
    ['Time Zone', 'timezone'],
    ['Job Title', 'title'],
    ['Country Code', 'countryCode'],
    ['Country', 'country'],
    ['County', null],
    ['web', null],
    ['Name', 'fullName'],
    ['Comments', 'notes'],
  ])('maps the customer header %s to %s', (header, target) => {
    expect(targets('customers', [header])).toEqual([target]);
  });

  it.each(['leads', 'customers'] as const)('is sure of every own key of %s', (target) => {
    const keys = TARGET_FIELDS[target].map((field) => field.key);
    expect(
      suggestMapping(
        target,
        keys.map((name) => ({ name, samples: [] })),
      ),
    ).toEqual(keys.map((key) => ({ column: key, target: key, confidence: 1 })));
  });

  it('maps a common sample of five hundred American contacts', () => {
    const header = 'first_name,last_name,company_name,address,city,county,state,zip,phone1,phone2,email,web';
    // Invented values in the habit of that file.
    const row =
      'Ann,Sample,Example Ltd,1 Test St,Testville,Test,LA,70116,504-555-0123,504-555-0145,ann@example.com,http://www.example.com';
    const values = row.split(',');
    const columns = header.split(',').map((name, index): [string, string] => [name, values[index]]);
    expect(targets('customers', columns)).toEqual([
      'firstName',
      'lastName',
      'company',
      'address',
      'city',
      null,
      'state',
      'zipCode',
      'phone',
      null,
      'email',
      null,
    ]);
    expect(targets('leads', columns)).toEqual([
      'firstName',
      'lastName',
      'company',
      null,
      null,
      null,
      null,
      null,
      'phone',
      null,
      'email',
      null,
    ]);
  });

  it.each([
    [
      ['Vorname', 'Nachname', 'Firma', 'E-Mail', 'Telefon'],
      ['firstName', 'lastName', 'company', 'email', 'phone'],
    ],
    [
      ['Prénom', 'Nom', 'Courriel', 'Téléphone'],
      ['firstName', 'lastName', 'email', 'phone'],
    ],
    [
      ['Nombre', 'Apellido', 'Correo', 'Teléfono'],
      ['firstName', 'lastName', 'email', 'phone'],
    ],
    [
      ['Nombre', 'Correo'],
      ['name', 'email'],
    ],
    [
      ['Nom', 'Courriel'],
      ['name', 'email'],
    ],
    [
      ['Name', 'Vorname'],
      ['lastName', 'firstName'],
    ],
    [
      ['Name', 'First Name', 'Last Name'],
      ['name', 'firstName', 'lastName'],
    ],
  ])('reads the names of %j', (columns, expected) => {
    expect(targets('leads', columns)).toEqual(expected);
  });

  it('takes a name of several words for the whole one, also beside a first name', () => {
    expect(
      targets('leads', [
        ['Name', 'Ann Sample', 'Bo Sample'],
        ['First Name', 'Ann', 'Bo'],
      ]),
    ).toEqual(['name', 'firstName']);
  });

  it.each([
    [
      ['phone2', 'Phone 1'],
      [null, 'phone'],
    ],
    [
      ['Phone 1', 'Mobile'],
      [null, 'phone'],
    ],
    [
      ['Work Phone', 'Phone', 'Cell Phone'],
      [null, null, 'phone'],
    ],
    [
      ['Fax', 'Work Phone', 'Home Phone'],
      [null, null, 'phone'],
    ],
    [
      ['Work Phone', 'Fax'],
      ['phone', null],
    ],
    [
      ['phone', 'Mobile'],
      ['phone', null],
    ],
    [
      ['Email (2)', 'Email'],
      [null, 'email'],
    ],
    [
      ['Address 2', 'Address 1'],
      [null, null],
    ],
  ])('gives a field to one column only: %j', (columns, expected) => {
    expect(targets('leads', columns)).toEqual(expected);
  });

  it('prefers the first address line', () => {
    expect(targets('customers', ['Address 2', 'Address 1'])).toEqual([null, 'address']);
  });

  it('is helped by the values', () => {
    const emails = ['ann@example.com', 'bo@example.org', ''];
    expect(targets('leads', [['Kontakt', ...emails]])).toEqual(['email']);
    expect(
      targets('leads', [
        ['Kontakt', ...emails],
        ['email', 'yes', 'no'],
      ]),
    ).toEqual(['email', null]);
    expect(targets('leads', [['Hotline', '+1 504 555 0123', '(504) 555-0145']])).toEqual(['phone']);
    expect(targets('leads', [['Fax', '+1 504 555 0123', '(504) 555-0145']])).toEqual([null]);
    expect(targets('leads', [['Assigned To', ...emails]])).toEqual(['assignee']);
    expect(
      targets('leads', [
        ['Owner', ...emails],
        ['Email', ...emails],
      ]),
    ).toEqual(['assignee', 'email']);
    expect(targets('leads', [['Assigned By', ...emails]])).toEqual([null]);
    expect(targets('leads', [['_errors', ...emails]])).toEqual([null]);
    expect(targets('leads', [['Kontakt', 'Ann', 'Bo']])).toEqual([null]);
    expect(targets('leads', [['Order', '1234567890', '2345678901']])).toEqual([null]);
  });

  it('has little confidence in a header that its values contradict', () => {
    const [email] = suggestMapping('leads', [{ name: 'email', samples: ['yes', 'no'] }]);
    expect(email.confidence).toBeLessThan(0.3);
    const [phone] = suggestMapping('leads', [{ name: 'Phone', samples: ['iPhone', 'Galaxy'] }]);
    expect(phone.confidence).toBeLessThan(0.3);
    const [owner] = suggestMapping('leads', [{ name: 'Owner', samples: ['1203', '77'] }]);
    expect(owner.confidence).toBeLessThan(0.3);
    const [blank] = suggestMapping('leads', [{ name: 'email', samples: ['', ' '] }]);
    expect(blank.confidence).toBe(1);
  });

  it('answers for five hundred columns of long headers at once', () => {
    const columns = Array.from({ length: 500 }, (_, i) => ({
      name: `${'Ab1 '.repeat(500)}${i}`,
      samples: ['x'.repeat(10_000)],
    }));
    const started = performance.now();
    suggestMapping('customers', columns);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe('missingRequired', () => {
  it.each([
    ['leads', [], ['name', 'email|phone']],
    ['leads', ['name'], ['email|phone']],
    ['leads', ['firstName', 'phone'], []],
    ['leads', ['email', null], ['name']],
    ['customers', [], ['fullName']],
    ['customers', ['lastName'], []],
    ['customers', ['email', 'phone'], ['fullName']],
  ] as [ContactTarget, (string | null)[], string[]][])('of %s with %j', (target, mapped, missing) => {
    expect(
      missingRequired(
        target,
        mapped.map((key) => ({ target: key })),
      ),
    ).toEqual(missing);
    expect(missingRequired(target, Object.fromEntries(mapped.map((key, i) => [`c${i}`, key])))).toEqual(missing);
  });
});
