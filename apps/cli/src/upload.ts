import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { INestApplicationContext } from '@nestjs/common';
import { messageOf, unavailable } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { UploadPart } from '@muster/features/imports/imports.uploads.dto';
import { ImportUploadsService } from '@muster/features/imports/imports.uploads.service';
import { DirectoryStorage } from '@muster/platform/storage/directory.storage';
import { type Storage, STORAGE } from '@muster/platform/storage/storage';

/** How often a part is sent before the upload is given up; the pauses between grow from one second. */
const ATTEMPTS = 5;

type BeginInput = Parameters<ImportUploadsService['begin']>[1];

/**
 * Sends a file as any client does: begins an upload, sends what is missing to its addresses, says that it is there. A part that fails is
 * sent again.
 * @param sent told the bytes that have arrived
 * @returns the import, which is being analyzed
 */
export async function uploadFile(
  app: INestApplicationContext,
  caller: Principal,
  path: string,
  input: BeginInput,
  sent: (bytes: number) => void,
): Promise<number> {
  const uploads = app.get(ImportUploadsService, { strict: false });
  const storage = app.get<Storage>(STORAGE, { strict: false });
  const file = await open(path, 'r');
  let arrived = 0;
  try {
    let view = await uploads.begin(caller, input);
    while (view.parts.length > 0) {
      for (const part of view.parts) {
        const bytes = Buffer.alloc(part.size);
        await file.read(bytes, 0, part.size, (part.number - 1) * view.partSize);
        await sendPart(storage, part, bytes);
        sent((arrived += part.size));
      }
      view = await uploads.parts(caller, view.id);
    }
    await uploads.complete(caller, view.id);
    return view.id;
  } finally {
    await file.close();
  }
}

async function sendPart(storage: Storage, part: UploadPart, bytes: Buffer): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (storage instanceof DirectoryStorage) await storage.uploads.receiveAt(part.uploadUrl, Readable.from([bytes]));
      else await put(part, bytes);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      process.stderr.write(`\nPart ${part.number} is sent again: ${messageOf(error)}\n`);
      await sleep(1_000 * 2 ** (attempt - 1));
    }
  }
}

async function put({ uploadUrl, method, headers }: UploadPart, bytes: Buffer): Promise<void> {
  const answer = await fetch(uploadUrl, { method, headers, body: new Uint8Array(bytes) });
  await answer.arrayBuffer();
  if (!answer.ok) throw unavailable('storage-unavailable', `The file store answered ${answer.status}.`);
}
