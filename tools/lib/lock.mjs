import { createHash, randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** When a process began, as Linux tells it; elsewhere, or when it is gone, an empty text. Tells two processes of one number apart. */
export function processStart(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return /[ZX]/.test(fields[0]) ? '' : fields[19];
  } catch {
    return '';
  }
}

/** Whether the process of that number still lives, and is the one that began at `start`. */
export function isAlive(pid, start) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return process.platform !== 'linux' || processStart(pid) === start;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

function isStale(content) {
  const [pid, start] = content.split(' ');
  return !isAlive(Number(pid), start);
}

/** Writes a file that is complete or absent. @returns false when it was there already */
function create(file, content) {
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, content);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a lock whose owner is gone. The guard keeps two from removing, of which the second would hit a fresh lock. */
function removeStale(file) {
  const guard = `${file}.guard`;
  if (!create(guard, `${process.pid}`)) {
    const made = statSync(guard, { throwIfNoEntry: false });
    if (made && Date.now() - made.mtimeMs > 10_000) rmSync(guard, { force: true });
    return;
  }
  try {
    const content = read(file);
    if (content !== null && isStale(content)) rmSync(file, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/**
 * Does `work` while no other process of this machine does work of the same name. A lock whose owner died is taken over.
 * @param {string} name what is locked, e.g. a path @param {() => void} onWait called once if another holds it
 */
export async function withLock(name, work, onWait = () => undefined) {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  const file = join(tmpdir(), `muster-${process.getuid?.() ?? 'user'}-${digest}.lock`);
  let waited = false;
  while (!create(file, `${process.pid} ${processStart(process.pid)}`)) {
    const held = read(file);
    if (held !== null && isStale(held)) removeStale(file);
    else if (held !== null) {
      if (!waited) onWait();
      waited = true;
      await pause(200);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Writes a file so that a reader sees the old content or the new, never a part. */
export function writeWhole(file, content) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content);
  renameSync(draft, file);
}
