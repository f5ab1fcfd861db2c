import { rm } from 'node:fs/promises';
import type { FastifyRequest } from 'fastify';
import { badRequest, ProblemError, tooLarge, unsupportedType } from '@muster/core/errors';
import { LocalFiles } from '../storage/local-files';
import type {} from './idempotency.attempt';

/** One file of a form, received in full. */
export interface UploadedFile {
  fieldName: string;
  fileName: string;
  /** Temporary; who receives it removes it. */
  path: string;
  /** Bytes. */
  size: number;
  /** Of the bytes, hex. */
  sha256: string;
}

/**
 * Receives a multipart form: its text fields (each at most once), and its files as temporary files.
 * @throws 415 when it is no form, 413 `file-too-large`, 400 when it is malformed, and what the claim of its `Idempotency-Key` throws;
 *   no file is left then
 */
export async function receiveForm(
  request: FastifyRequest,
  local: LocalFiles,
  maxBytes: number,
): Promise<{ fields: Record<string, string>; files: UploadedFile[] }> {
  if (!request.isMultipart()) throw unsupportedType('multipart-expected', 'Send the file as multipart/form-data.');
  const tooBig = () => tooLarge('file-too-large', `A file in one call may have at most ${maxBytes} bytes.`);
  const fields: Record<string, string> = {};
  const files: UploadedFile[] = [];
  try {
    for await (const part of request.parts()) {
      if (part.type === 'file') {
        const received = await local.receive(part.file, maxBytes, tooBig);
        files.push({ ...received, fieldName: part.fieldname, fileName: part.filename });
      } else {
        if (part.fieldname in fields)
          throw badRequest('field-repeated', `The field "${part.fieldname}" is given twice.`);
        fields[part.fieldname] = String(part.value);
      }
    }
  } catch (error) {
    await discard(files);
    throw isOurs(error) ? error : badRequest('form-malformed', 'The form ended early or is malformed.');
  }
  try {
    const parts = files.map(({ fieldName, fileName, sha256 }) => ({ fieldName, fileName, sha256 }));
    await request.idempotency?.claim({ fields, files: parts });
  } catch (error) {
    await discard(files);
    throw error;
  }
  return { fields, files };
}

/** Removes what was received and is not wanted. */
export async function discard(files: UploadedFile[]): Promise<void> {
  await Promise.all(files.map(({ path }) => rm(path, { force: true })));
}

/** Errors with a status of their own; the others are the form parser's or the connection's. */
const isOurs = (error: unknown) =>
  error instanceof ProblemError || Boolean((error as { code?: string }).code?.startsWith('FST_'));
