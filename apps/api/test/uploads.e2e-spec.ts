import { createHash } from 'node:crypto';
import { readConfig } from '@muster/platform/config/config';
import { Database } from '@muster/platform/database/database';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { migrations } from '@muster/platform/database/migrations/list';
import { Transactions } from '@muster/platform/database/transactions';
import { allTables } from '@muster/testing/database';
import { testProfile } from '@muster/testing/profile';
import { Answer, Server } from '@muster/testing/server';

/** What S3 stores take as a part that is not the last. */
const PART = 5 * 1024 * 1024;
const MAX = 12 * 1024 * 1024;

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('uploads in steps', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({
      ...{ IMPORT_MULTIPART_BYTES: String(PART), IMPORT_PART_BYTES: String(PART), IMPORT_MAX_BYTES: String(MAX) },
      IMPORT_MAX_DIRECT_BYTES: '1000',
    });
  }, 90_000);
  afterAll(() => server.stop());

  let salt = 0;
  /** A file of leads that no other test has. */
  const leads = (rows = 3): string => {
    const tag = `u${++salt}`;
    const lines = Array.from({ length: rows }, (_, row) => `Person ${row},person${row}@${tag}.example.com`);
    return `name,email\n${lines.join('\n')}\n`;
  };
  /** A file of leads of about so many bytes. */
  const large = (bytes: number): string => leads(Math.floor(bytes / 45));

  const begin = (content: string | Buffer, extra: object = {}) =>
    server.request('POST', '/imports/uploads', {
      ...{ fileName: 'people.csv', contentType: 'text/csv', target: 'leads', size: Buffer.byteLength(content) },
      ...extra,
    });
  const put = async (
    url: string,
    content: string | Buffer,
  ): Promise<{ status: number; etag: string; code?: string }> => {
    const answer = await fetch(url, { method: 'PUT', body: new Uint8Array(Buffer.from(content)) });
    const text = await answer.text();
    const code = text.startsWith('{') ? (JSON.parse(text) as { code: string }).code : undefined;
    return { status: answer.status, etag: answer.headers.get('etag') ?? '', code };
  };
  const analyze = (id: number, body: object = {}): Promise<Answer> =>
    server.request('POST', `/imports/${id}/analyze`, body);

  it('imports a file that was sent to its address, and knows its hash', async () => {
    const content = leads();
    const begun = await begin(content, { sha256: sha256(content).toUpperCase(), options: { tags: ['sent'] } });
    expect(begun.status).toBe(201);
    const { id, uploadUrl } = begun.body;
    expect(begun.body).toMatchObject({
      ...{
        status: 'awaiting_upload',
        method: 'PUT',
        headers: {},
        partCount: 1,
        missingParts: 1,
        expiresIn: expect.any(Number),
      },
    });
    expect((await server.request('GET', `/imports/${id}`)).body).toMatchObject({
      ...{ status: 'awaiting_upload', fileHash: null, fileSize: content.length, error: null },
    });
    expect(await analyze(id)).toMatchObject({ status: 409, body: { code: 'upload-incomplete', missingParts: [1] } });
    const sent = await put(uploadUrl, content);
    expect(sent.status).toBe(200);
    expect(await analyze(id, { parts: [{ number: 1, etag: sent.etag }] })).toMatchObject({
      ...{ status: 202, body: { id, status: 'analyzing' } },
    });
    const done = await server.settled(id);
    expect(done).toMatchObject({ status: 'completed', fileHash: sha256(content), counts: { total: 3, created: 3 } });
    expect(done.options.tags).toEqual(['sent']);
  });

  it('imports what was there when it was asked to, whatever the address is used for afterwards', async () => {
    const content = leads();
    const { id, uploadUrl } = (await begin(content, { autoStart: false })).body;
    await put(uploadUrl, content);
    expect((await analyze(id)).status).toBe(202);
    const other = content.replaceAll('Person', 'Nobody');
    await put(uploadUrl, other);
    expect((await analyze(id)).body.code).toBe('upload-ended');
    const ready = await server.settled(id);
    expect(ready).toMatchObject({ status: 'ready', fileHash: sha256(content) });
    await server.request('POST', `/imports/${id}/start`, {});
    await server.settled(id);
    const { data } = (await server.request('GET', `/imports/${id}/rows`)).body;
    expect(data.map(({ values }: any) => values.name)).toEqual(['Person 0', 'Person 1', 'Person 2']);
  });

  it('takes a large file in parts, in any order, and goes on where it broke off', async () => {
    const content = Buffer.from(large(2.5 * PART));
    const begun = await begin(content);
    expect(begun.body).toMatchObject({ partSize: PART, partCount: 3, missingParts: 3 });
    expect(begun.body.uploadUrl).toBeUndefined();
    const { id, parts } = begun.body;
    const bytesOf = (number: number) => content.subarray((number - 1) * PART, number * PART);
    for (const number of [3, 1]) expect((await put(parts[number - 1].uploadUrl, bytesOf(number))).status).toBe(200);
    expect(await analyze(id)).toMatchObject({ status: 409, body: { code: 'upload-incomplete', missingParts: [2] } });
    const rest = await server.request('POST', `/imports/${id}/parts`, {});
    expect(rest.body).toMatchObject({ missingParts: 1, parts: [{ number: 2, size: PART }] });
    const again = await server.request('POST', `/imports/${id}/parts`, { numbers: [1, 2] });
    expect(again.body.parts.map(({ number }: any) => number)).toEqual([1, 2]);
    const sent = await put(rest.body.parts[0].uploadUrl, bytesOf(2));
    expect((await server.request('POST', `/imports/${id}/parts`, {})).body).toMatchObject({
      missingParts: 0,
      parts: [],
    });
    expect(await analyze(id, { parts: [{ number: 2, etag: 'f'.repeat(32) }] })).toMatchObject({
      ...{ status: 422, body: { code: 'upload-checksum-mismatch' } },
    });
    expect((await analyze(id, { parts: [{ number: 2, etag: sent.etag }] })).status).toBe(202);
    const done = await server.settled(id);
    const rows = content.toString().split('\n').length - 2;
    expect(done).toMatchObject({
      status: 'completed',
      fileHash: sha256(content),
      counts: { total: rows, created: rows },
    });
  }, 120_000);

  it('says what is wrong with a request', async () => {
    const content = leads();
    expect((await begin(content, { size: MAX + 1 })).body).toMatchObject({ status: 413, code: 'file-too-large' });
    expect((await begin('')).body).toMatchObject({ status: 422, code: 'import-empty' });
    expect((await begin(content, { sha256: 'abc' })).body).toMatchObject({ code: 'validation-failed' });
    expect((await begin(content, { key: 'uploads/mine' })).body).toMatchObject({ code: 'validation-failed' });
    expect((await begin(content, { options: { delimiter: '!' } })).body).toMatchObject({ code: 'validation-failed' });
    const { id } = (await begin(content)).body;
    expect((await server.request('POST', `/imports/${id}/parts`, { numbers: [2] })).body.code).toBe('part-unknown');
    expect((await server.request('POST', `/imports/${id}/cancel`)).status).toBe(202);
    expect((await analyze(id)).body.code).toBe('upload-ended');
    expect((await server.request('POST', `/imports/${id}/parts`, {})).body.code).toBe('upload-ended');
    const direct = (await server.import(leads(1))).id as number;
    expect((await analyze(direct)).body.code).toBe('upload-ended');
  });

  it.each([
    ['png', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 415, 'file-type-unsupported'],
    ['blank', Buffer.from(' \n \n'), 422, 'import-empty'],
  ])('refuses a file that is none by its bytes: %s', async (_name, content, status, code) => {
    const { id, uploadUrl } = (await begin(content)).body;
    await put(uploadUrl, content);
    expect((await analyze(id)).body).toMatchObject({ status, code });
    expect((await server.request('GET', `/imports/${id}`)).body).toMatchObject({ status: 'failed', error: { code } });
  });

  it.each([
    ['another file than was announced', leads(), { sha256: 'a'.repeat(64) }, 'upload-checksum-mismatch'],
    ['an archive that is no workbook', Buffer.from('504b0304000000000000', 'hex'), {}, 'file-malformed'],
  ])('fails when the whole file shows what it is: %s', async (_name, content, extra, code) => {
    const { id, uploadUrl } = (await begin(content, extra)).body;
    await put(uploadUrl, content);
    expect((await analyze(id)).status).toBe(202);
    const failed = await server.settled(id);
    expect(failed).toMatchObject({ status: 'failed', fileHash: sha256(content), error: { code } });
  });

  it('takes just the announced bytes at an address, and nothing at one that was changed', async () => {
    const content = leads();
    const { uploadUrl } = (await begin(content)).body;
    const other = (await begin(content)).body.uploadUrl;
    expect((await put(uploadUrl, `${content}x`)).status).toBeGreaterThanOrEqual(400);
    expect((await put(uploadUrl, content.slice(1))).status).toBeGreaterThanOrEqual(400);
    const mixed = new URL(uploadUrl);
    mixed.pathname = new URL(other).pathname;
    expect((await put(mixed.href, content)).status).toBe(403);
    if (testProfile() !== 'embedded') return;
    const later = new URL(uploadUrl);
    later.searchParams.set('expires', String(Number(later.searchParams.get('expires')) + 1));
    expect(await put(later.href, content)).toMatchObject({ status: 403, code: 'upload-address-invalid' });
    expect(await put(`${uploadUrl}&extra=1`, content)).toMatchObject({ status: 422 });
  });

  it('shows an import whose files are not kept any more without them', async () => {
    const { id } = await server.import('name,email\nKim,kim at example.com\n');
    const database = await Database.open(readConfig(server.env), allTables, migrations);
    const longAgo = formatTime(new Date(Date.now() - 100 * 24 * 3_600_000));
    await new Transactions(database).run((tx) =>
      tx.query('UPDATE imports SET finished_at = ? WHERE id = ?', [longAgo, id]),
    );
    await database.close();
    // Workers sweep when they start.
    await Promise.all([server.api.end(), ...server.workers.map((worker) => worker.end())]);
    await server.startProcesses();
    const rejected = () => server.request('GET', `/imports/${id}/rejected.csv`);
    for (let tries = 0; tries < 400 && (await rejected()).status !== 410; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await rejected()).body).toMatchObject({ status: 410, code: 'import-files-expired' });
    const { data } = (await server.request('GET', `/imports/${id}/rows`)).body;
    expect(data).toEqual([
      { row: 1, outcome: 'rejected', errors: [expect.objectContaining({ code: 'email-invalid' })] },
    ]);
    expect((await server.request('GET', `/imports/${id}`)).body.counts).toMatchObject({ total: 1, rejected: 1 });
  }, 60_000);

  it('makes an import of each file of one form', async () => {
    const form = new FormData();
    form.set('target', 'leads');
    for (const name of ['a.csv', 'b.csv']) form.append('file', new Blob([leads(1)]), name);
    const { status, body } = await server.request('POST', '/imports', form);
    expect(status).toBe(202);
    expect(body.imports).toHaveLength(2);
    for (const { id } of body.imports)
      expect(await server.settled(id)).toMatchObject({ counts: { total: 1, created: 1 } });
  });

  it('keeps the good files of a form when one of them is none, and says which', async () => {
    const form = new FormData();
    form.set('target', 'leads');
    form.append('file', new Blob([leads(1)]), 'a.csv');
    form.append('file', new Blob([Buffer.from('89504e470d0a1a0a00', 'hex')]), 'b.csv');
    form.append('file', new Blob([leads(1)]), 'c.csv');
    const { status, body } = await server.request('POST', '/imports', form);
    expect(status).toBe(202);
    expect(body.imports).toEqual([
      { id: expect.any(Number), status: 'analyzing', fileName: 'a.csv' },
      { status: 'refused', fileName: 'b.csv', error: { code: 'file-type-unsupported', detail: expect.any(String) } },
      { id: expect.any(Number), status: 'analyzing', fileName: 'c.csv' },
    ]);
  });
});
