import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = 'secrets.json';

interface Secrets {
  jwtSecrets: string[];
}

/**
 * The secrets that sign tokens, the signing one first: the configured ones, or else one that is generated on the first
 * start and kept in the data directory, readable by its owner only. Processes that start at once agree on one.
 */
export async function tokenSecrets(configured: string[], dataDir: string): Promise<string[]> {
  if (configured.length > 0) return configured;
  const path = join(dataDir, FILE);
  return (await read(path)) ?? (await create(dataDir, path));
}

async function read(path: string): Promise<string[] | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const jwtSecrets = parse(text);
  if (!jwtSecrets) throw new Error(`${path} is damaged: restore it, or delete it, which signs everyone out.`);
  return jwtSecrets;
}

function parse(text: string): string[] | null {
  try {
    const { jwtSecrets } = JSON.parse(text) as Secrets;
    const usable = jwtSecrets.length > 0 && jwtSecrets.every((secret) => secret.length >= 32);
    return usable ? jwtSecrets : null;
  } catch {
    return null;
  }
}

/** Writes the whole file under another name, then links it into place: a link, unlike a rename, never replaces a file. */
async function create(dataDir: string, path: string): Promise<string[]> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const secrets: Secrets = { jwtSecrets: [randomBytes(48).toString('base64')] };
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(secrets, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    return secrets.jwtSecrets;
  } catch (error) {
    const winner = (error as NodeJS.ErrnoException).code === 'EEXIST' ? await read(path) : null;
    if (!winner) throw error;
    return winner;
  } finally {
    await rm(draft, { force: true });
  }
}
