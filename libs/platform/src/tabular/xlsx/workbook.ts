import { posix } from 'node:path';
import { TabularError } from '../tabular-error';
import { Archive, malformed, type ArchiveLimits } from './archive';
import { builtinFormat, parseFormat, type CellFormat } from './cell-values';
import { readMarkup } from './markup';

/** One sheet of cells. */
export interface Sheet {
  name: string;
  part: string;
  visible: boolean;
}

const MAX_SHEETS = 10_000;
const MAX_FORMATS = 100_000;
const NAMED_IN_ERROR = 20;

interface Relation {
  /** The last word of the relation's type: the rest differs between the strict and the usual form. */
  type: string;
  part: string;
}

/** An open workbook: which sheets it has, and how numbers stand for dates. Throws `TabularError`. */
export class Workbook {
  private constructor(
    readonly archive: Archive,
    /** In the workbook's order; charts and the like are none. */
    readonly sheets: readonly Sheet[],
    /** Whether days are counted from 1904 on. */
    readonly date1904: boolean,
    readonly sharedStringsPart: string | null,
    private readonly stylesPart: string | null,
  ) {}

  /** @throws {TabularError} also `file-type-unsupported` and `file-macro` */
  static async open(path: string, limits?: ArchiveLimits): Promise<Workbook> {
    const archive = await Archive.open(path, limits);
    try {
      return await Workbook.read(archive);
    } catch (error) {
      await archive.close();
      throw error;
    }
  }

  private static async read(archive: Archive): Promise<Workbook> {
    refuseOthers(archive);
    const main = [...(await relations(archive, '')).values()].find(({ type }) => type === 'officeDocument');
    if (!main || !archive.has(main.part)) throw malformed('The archive says nowhere which part of it is the workbook.');
    const listed: { name: string; id: string; visible: boolean }[] = [];
    let date1904 = false;
    await readMarkup(archive, main.part, 'workbook', {
      open: (name, attributes) => {
        if (name === 'workbookPr') date1904 = /^(?:1|true|on)$/.test(attributes.date1904 ?? '');
        if (name !== 'sheet') return;
        if (listed.length === MAX_SHEETS) throw malformed(`The workbook has more than ${MAX_SHEETS} sheets.`);
        const id = Object.keys(attributes).find((key) => key.endsWith(':id')) ?? '';
        const state = attributes.state ?? 'visible';
        listed.push({ name: attributes.name ?? '', id: attributes[id] ?? '', visible: state === 'visible' });
      },
    });
    const parts = await relations(archive, main.part);
    const sheets = listed.flatMap(({ name, id, visible }) => {
      const relation = parts.get(id);
      return relation?.type === 'worksheet' ? [{ name, visible, part: relation.part }] : [];
    });
    if (sheets.length === 0) throw new TabularError('import-empty', 'The workbook has no sheet with cells.');
    const partOf = (wanted: string) =>
      [...parts.values()].find(({ type, part }) => type === wanted && archive.has(part))?.part ?? null;
    return new Workbook(archive, sheets, date1904, partOf('sharedStrings'), partOf('styles'));
  }

  /**
   * The sheet of a name (whatever its case) or of a place from 1; by default the first that is not hidden.
   * @throws {TabularError} `sheet-unknown`
   */
  pick(wanted?: string | number): Sheet {
    const { sheets } = this;
    if (wanted === undefined) return sheets.find(({ visible }) => visible) ?? sheets[0];
    const same = (a: string, b: string) => a.normalize('NFC').toLowerCase() === b.normalize('NFC').toLowerCase();
    const found =
      typeof wanted === 'number'
        ? sheets[wanted - 1]
        : (sheets.find(({ name }) => name === wanted) ?? sheets.find(({ name }) => same(name, wanted)));
    if (found) return found;
    const names = sheets.slice(0, NAMED_IN_ERROR).map(({ name }) => `"${name}"`);
    const more = sheets.length > names.length ? ` and ${sheets.length - names.length} more` : '';
    const what = typeof wanted === 'number' ? `sheet number ${wanted}` : `sheet "${wanted}"`;
    throw new TabularError('sheet-unknown', `The workbook has no ${what}. Its sheets are ${names.join(', ')}${more}.`);
  }

  /** The formats of cells by the number of their style. */
  async formats(): Promise<CellFormat[]> {
    if (this.stylesPart === null) return [];
    const named = new Map<number, CellFormat>();
    const ids: number[] = [];
    let inside = false;
    await readMarkup(this.archive, this.stylesPart, 'styleSheet', {
      open: (name, { numFmtId, formatCode }) => {
        if (named.size > MAX_FORMATS || ids.length > MAX_FORMATS) throw malformed('The workbook has too many formats.');
        if (name === 'numFmt') named.set(Number(numFmtId), parseFormat((formatCode ?? '').slice(0, 1000)));
        else if (name === 'cellXfs') inside = true;
        else if (name === 'xf' && inside) ids.push(Number(numFmtId ?? 0));
      },
      close: (name) => {
        if (name === 'cellXfs') inside = false;
      },
    });
    const formats = new Map<number, CellFormat>();
    return ids.map((id) => {
      const format = formats.get(id) ?? named.get(id) ?? builtinFormat(id);
      formats.set(id, format);
      return format;
    });
  }

  close(): Promise<void> {
    return this.archive.close();
  }
}

/** Refuses archives that are no workbook, and workbooks with programs in them. */
function refuseOthers(archive: Archive): void {
  const { names } = archive;
  const unsupported = (what: string) => {
    throw new TabularError('file-type-unsupported', `This is ${what}. Upload CSV, TSV or XLSX.`);
  };
  if (names.some((name) => name.endsWith('/vbaproject.bin') || name.startsWith('xl/macrosheets/'))) {
    throw new TabularError(
      'file-macro',
      'The workbook has macros in it. Save it as "Excel Workbook (.xlsx)", which leaves them out, and upload that.',
    );
  }
  if (archive.has('xl/workbook.bin')) unsupported('a binary workbook (.xlsb)');
  if (archive.has('word/document.xml')) unsupported('a Word document');
  if (archive.has('ppt/presentation.xml')) unsupported('a PowerPoint presentation');
  if (archive.has('mimetype') && archive.has('content.xml')) unsupported('an OpenDocument file');
  if (!archive.has('[Content_Types].xml') || !archive.has('_rels/.rels')) unsupported('a zip archive, and no workbook');
}

/** The relations of a part by id, those to something outside left out. */
async function relations(archive: Archive, part: string): Promise<Map<string, Relation>> {
  const folder = posix.dirname(part || 'root');
  const file = posix.join(folder, '_rels', `${part === '' ? '' : posix.basename(part)}.rels`);
  const found = new Map<string, Relation>();
  await readMarkup(archive, file, 'Relationships', {
    open: (name, { Id, Type, Target, TargetMode }) => {
      if (name !== 'Relationship' || TargetMode === 'External' || Target === undefined) return;
      if (found.size > MAX_SHEETS * 2) throw malformed('The workbook has too many relations.');
      const path = Target.replaceAll('\\', '/');
      const target = path.startsWith('/') ? path.slice(1) : posix.join(folder, path);
      found.set(Id ?? '', { type: (Type ?? '').split('/').pop()!, part: target });
    },
  });
  return found;
}
