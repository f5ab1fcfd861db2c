import { TabularError } from '../tabular-error';
import { encrypted } from './archive';
import { compoundNames } from './compound-file';
import { MarkupReader } from './markup';
import { MergedAreas } from './merges';
import { SheetReader } from './sheet-reader';
import { Workbook } from './workbook';

/** How much of a sheet is looked at for its first value, in bytes. */
const PEEK_BYTES = 1 << 20;

/**
 * Refuses at once what shows without reading all of a workbook: that it is none, is encrypted, has macros, is damaged or too large,
 * lacks the sheet, or that the sheet is empty.
 *
 * @throws {TabularError}
 */
export async function inspectWorkbook(path: string, sheet?: string | number): Promise<void> {
  const workbook = await Workbook.open(path);
  try {
    const { name, part } = workbook.pick(sheet);
    const reader = new SheetReader([], false, new MergedAreas([]));
    const markup = new MarkupReader(part, 'worksheet', reader);
    let read = 0;
    for await (const chunk of workbook.archive.read(part)) {
      markup.write(chunk);
      read += chunk.length;
      if (reader.rows.length > 0 || reader.errorCells.size > 0 || read > PEEK_BYTES) return;
    }
    markup.finish();
    if (reader.rows.length === 0 && reader.errorCells.size === 0) {
      throw new TabularError('import-empty', `The sheet "${name}" holds no header and no rows.`);
    }
  } finally {
    await workbook.close();
  }
}

/** Why a compound file is not read. */
export async function refuseCompoundFile(path: string): Promise<TabularError> {
  const names = await compoundNames(path);
  if (names.includes('EncryptedPackage')) return encrypted();
  const what = names.some((name) => name === 'Workbook' || name === 'Book')
    ? 'a workbook of the old Excel format (.xls). Save it as "Excel Workbook (.xlsx)"'
    : 'an old Office document. Save its table as CSV';
  return new TabularError('file-type-unsupported', `This is ${what} and upload that.`);
}
