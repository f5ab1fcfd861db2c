import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokenSecrets } from './secrets';

describe('token secrets', () => {
  let parent: string;
  let directory: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'muster-secrets-'));
    directory = join(parent, 'data');
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  it('are the configured ones, when there are any', async () => {
    expect(await tokenSecrets(['one', 'two'], directory)).toEqual(['one', 'two']);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('are generated once and kept, for the owner only', async () => {
    const [secret] = await tokenSecrets([], directory);
    expect(Buffer.from(secret, 'base64')).toHaveLength(48);
    expect(await tokenSecrets([], directory)).toEqual([secret]);
    expect(readdirSync(directory)).toEqual(['secrets.json']);
    expect(statSync(join(directory, 'secrets.json')).mode & 0o777).toBe(0o600);
  });

  it('are the same for all who start at once', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => tokenSecrets([], directory)));
    expect(new Set(all.map(([secret]) => secret)).size).toBe(1);
    expect(readdirSync(directory)).toEqual(['secrets.json']);
  });

  it('are not replaced when the file is damaged', async () => {
    await tokenSecrets([], directory);
    writeFileSync(join(directory, 'secrets.json'), '{"jwtSecrets":["short"]}');
    await expect(tokenSecrets([], directory)).rejects.toThrow('damaged');
  });
});
