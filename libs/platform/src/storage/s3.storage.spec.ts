import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Storage } from './s3.storage';

/** A file store whose answers break off. */
describe('an S3 store that does not keep its word', () => {
  let server: Server;
  let folder: string;
  let answer: (response: ServerResponse) => void;
  const before = { ...process.env };

  beforeAll(async () => {
    process.env.AWS_ACCESS_KEY_ID = process.env.AWS_SECRET_ACCESS_KEY = 'any';
    folder = await mkdtemp(join(tmpdir(), 'muster-s3-spec-'));
    server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterAll(async () => {
    process.env = before;
    server.close();
    await rm(folder, { recursive: true });
  });

  const fetchFile = () => {
    const { port } = server.address() as { port: number };
    const endpoint = `http://127.0.0.1:${port}`;
    const storage = new S3Storage({ kind: 's3', bucket: 'b', region: 'us-east-1', endpoint, pathStyle: true });
    return storage.getFile('some/key', join(folder, 'copy'));
  };

  it.each<[string, (response: ServerResponse) => void]>([
    ['ends early', (response) => response.end()],
    ['is reset', (response) => response.destroy()],
  ])('says that it is unavailable when a body %s', async (_name, end) => {
    answer = (response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('half', () => setImmediate(() => end(response)));
    };
    await expect(fetchFile()).rejects.toMatchObject({ kind: 'operational', code: 'storage-unavailable' });
  });
});
