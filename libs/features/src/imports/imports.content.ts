import { invalid, tooLarge, unsupportedType } from '@muster/core/errors';
import { type Sniffed, sniffFile } from '@muster/platform/tabular/sniff';
import { TabularError } from '@muster/platform/tabular/tabular-error';
import { inspectWorkbook, refuseCompoundFile } from '@muster/platform/tabular/xlsx/inspect';

/** Refuses what the first bytes of a file show to be nothing that can be imported. @throws 415 `file-type-unsupported`; 422 `import-empty` */
export function checkBeginning({ kind, detail }: Sniffed): void {
  if (kind === 'empty') throw invalid('import-empty', 'The file is empty.');
  if (kind !== 'binary') return;
  throw unsupportedType(
    'file-type-unsupported',
    `This is not a text file${detail ? ` (${detail})` : ''}. Upload CSV, TSV or XLSX.`,
  );
}

/**
 * What a file is, by its content.
 * @throws 415 `file-type-unsupported`, `file-encrypted`, `file-macro`; 413 `file-too-large`; 422 `import-empty`, `file-malformed`,
 *   `sheet-unknown`
 */
export async function checkContent(path: string, sheet?: string | number): Promise<'csv' | 'xlsx'> {
  const sniffed = await sniffFile(path);
  checkBeginning(sniffed);
  if (sniffed.kind === 'compound') throw refusal(await refuseCompoundFile(path));
  if (sniffed.kind !== 'zip') return 'csv';
  await inspectWorkbook(path, sheet).catch((error: unknown) => {
    throw error instanceof TabularError ? refusal(error) : error;
  });
  return 'xlsx';
}

function refusal({ code, message }: TabularError) {
  if (code === 'file-type-unsupported' || code === 'file-encrypted' || code === 'file-macro') {
    return unsupportedType(code, message);
  }
  return code === 'file-too-large' ? tooLarge(code, message) : invalid(code, message);
}
