import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Server } from '@muster/testing/server';
import { compoundFile, sheetOf, workbook, zip, type TestCell } from '@muster/testing/xlsx';

const sample = (name: string) => readFileSync(join(__dirname, '../../../samples', name), 'utf8');

/** The rows of a text in RFC 4180 form. */
function rowsOf(csv: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1)!.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ',') rows.push([]);
  }
  return rows.filter((row) => row.some((cell) => cell !== ''));
}

jest.setTimeout(60_000);

describe('workbooks', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ IMPORT_BATCH_ROWS: '500' });
  }, 90_000);
  afterAll(() => server.stop());

  const ledger = async (id: number) =>
    (await server.request('GET', `/imports/${id}/rows?limit=100`)).body.data as any[];
  const analysis = async (id: number) => (await server.request('GET', `/imports/${id}/analysis`)).body;
  const imported = async (content: Uint8Array, fields: Record<string, string> = { target: 'leads' }) => {
    const { status, body } = await server.upload(content, fields, 'people.xlsx');
    expect({ status, body }).toEqual({ status: 202, body: { id: expect.any(Number), status: 'analyzing' } });
    return server.settled(body.id as number);
  };
  const person = (tag: string, n: number): TestCell[] => [`Person ${n}`, `p${n}@${tag}.example.com`];

  it.each([
    ['leads', 'leads.csv', 87],
    ['customers', 'customers.csv', 24],
  ])(
    'import the sample of %s as its text form does',
    async (target, name, created) => {
      const done = await imported(sheetOf(rowsOf(sample(name))), { target });
      expect(done).toMatchObject({ status: 'completed', fileName: 'people.xlsx', counts: { created } });
      const other = await Server.start();
      try {
        const text = await other.import(sample(name), { target });
        expect(done.counts).toEqual(text.counts);
        const { body } = await other.request('GET', `/imports/${text.id}/rows?limit=100`);
        const essence = ({ row, outcome, errors, values }: any) => ({
          row,
          outcome,
          codes: errors.map(({ field, code }: any) => [field, code]),
          values: Object.fromEntries(
            Object.entries(values).map(([key, value]) => [key, (value as string)?.replaceAll('\r', '')]),
          ),
        });
        expect((await ledger(done.id)).map(essence)).toEqual(body.data.map(essence));
      } finally {
        await other.stop();
      }
    },
    120_000,
  );

  it('become records with their numbers, dates and formulas', async () => {
    const book = workbook({
      formats: [14, '00000'],
      shared: ['<si><r><t xml:space="preserve">Ada </t></r><r><t>Lovelace</t></r></si>'],
      sheets: [
        {
          name: 'Customers',
          rows: [
            ['Full Name', 'Email', 'Phone', 'Date of Birth', 'ZIP', 'Notes'],
            [],
            [
              { shared: 0 },
              { formula: 'LOWER("ADA@XLSX.EXAMPLE.COM")', value: 'ada@xlsx.example.com' },
              12_125_550_142,
              { serial: 23_422, format: 1 },
              { serial: 8540, format: 2 },
              { error: '#N/A' },
            ],
          ],
        },
      ],
    });
    const done = await imported(book, { target: 'customers' });
    expect(done.counts).toMatchObject({ total: 1, created: 1 });
    const [{ recordId }] = await ledger(done.id);
    expect((await server.request('GET', `/customers/${recordId}`)).body).toMatchObject({
      fullName: 'Ada Lovelace',
      email: 'ada@xlsx.example.com',
      phone: '+12125550142',
      dateOfBirth: '1964-02-15',
      zipCode: '08540',
    });
    expect((await analysis(done.id)).warnings).toEqual([
      { code: 'cell-error', column: 'Notes', message: expect.stringContaining('#N/A in F3') },
    ]);
  });

  it('have sheets, of which the first visible one is taken or the one that is asked for', async () => {
    const header = ['Name', 'Email'];
    const book = (tag: string) =>
      workbook({
        sheets: [
          { name: 'Hidden', state: 'hidden', rows: [header, person(tag, 1)] },
          { name: 'First', rows: [header, person(tag, 2), person(tag, 3)] },
          { name: 'Second', rows: [header, person(tag, 4), person(tag, 5), person(tag, 6)] },
        ],
      });
    const total = async (tag: string, sheet?: unknown) => {
      const options: Record<string, string> = sheet === undefined ? {} : { options: JSON.stringify({ sheet }) };
      const done = await imported(book(tag), { target: 'leads', ...options });
      expect((await ledger(done.id)).flatMap(({ errors }) => errors)).toEqual([]);
      const { sheet: read, sheets, encoding } = await analysis(done.id);
      expect({ sheets, encoding }).toEqual({ sheets: ['Hidden', 'First', 'Second'], encoding: undefined });
      return [read, done.counts.created];
    };
    expect(await total('by-default')).toEqual(['First', 2]);
    expect(await total('by-name', 'second')).toEqual(['Second', 3]);
    expect(await total('by-place', 1)).toEqual(['Hidden', 1]);

    const unknown = await server.upload(book('x'), { target: 'leads', options: '{"sheet":"Third"}' });
    expect([unknown.status, unknown.body.code]).toEqual([422, 'sheet-unknown']);
    expect(unknown.body.detail).toContain('"Hidden", "First", "Second"');
    for (const sheet of ['""', '0', '1.5', 'true', '[]', '{}']) {
      const wrong = await server.upload(book('x'), { target: 'leads', options: `{"sheet":${sheet}}` });
      expect([sheet, wrong.status, wrong.body.errors?.[0]?.field]).toEqual([sheet, 422, 'options.sheet']);
    }
  });

  it('give every row one outcome, across chunks', async () => {
    const rows = Array.from({ length: 2_000 }, (_, n) => [
      `Row ${n}`,
      n % 100 === 99 ? 'nobody' : `r${n}@many.example.com`,
    ]);
    const done = await imported(sheetOf([['Name', 'Email'], ...rows]));
    expect(done.counts).toMatchObject({ total: 2_000, created: 1_980, rejected: 20 });
  });

  it('with a header alone are imported, without rows', async () => {
    const done = await imported(sheetOf([['Name', 'Email']]));
    expect(done).toMatchObject({ status: 'completed', counts: { total: 0, created: 0 } });
  });

  const rows = [['Name'], ['x']];
  it.each<[string, () => Buffer, number, string]>([
    ['empty', () => sheetOf([]), 422, 'import-empty'],
    ['encrypted', () => compoundFile(['EncryptionInfo', 'EncryptedPackage']), 415, 'file-encrypted'],
    ['of the old format', () => compoundFile(['Workbook']), 415, 'file-type-unsupported'],
    ['with macros', () => sheetOf(rows, { extra: [{ name: 'xl/vbaProject.bin', content: 'x' }] }), 415, 'file-macro'],
    ['that are none', () => zip([{ name: 'photo.raw', content: 'x' }]), 415, 'file-type-unsupported'],
    ['that are cut', () => sheetOf(rows).subarray(0, 900), 422, 'file-malformed'],
    [
      'that unpack to very much',
      () => sheetOf(rows, { extra: [{ name: 'bomb.xml', content: Buffer.alloc(100_000_000) }] }),
      413,
      'file-too-large',
    ],
    [
      'that declare a document type',
      () => workbook({ sheets: [{ name: 'S', markup: '<!DOCTYPE w [<!ENTITY a "b">]><worksheet>&a;</worksheet>' }] }),
      422,
      'file-malformed',
    ],
    [
      'that lie about their size',
      () => sheetOf(rows, { change: (part) => (part.name.includes('sheet1') ? { ...part, claimedSize: 9 } : part) }),
      422,
      'file-malformed',
    ],
  ])('%s: a clear problem', async (_, make, status, code) => {
    const answer = await server.upload(make(), { target: 'leads' }, 'people.xlsx');
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it('that are damaged further in: the import fails and says why', async () => {
    const many = Array.from({ length: 20_000 }, (_, n) => [`Row ${n}`, `damaged${n}@example.com`]);
    const book = sheetOf([['Name', 'Email'], ...many], {
      change: (part) => (part.name.includes('sheet1') ? { ...part, claimedCrc: 7 } : part),
    });
    expect(await imported(book)).toMatchObject({
      status: 'failed',
      error: { code: 'file-malformed', detail: expect.stringContaining('checksum') },
      counts: { created: 0 },
    });
  });
});
