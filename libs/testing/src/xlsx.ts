import { crc32, deflateRawSync } from 'node:zlib';

/** One file of an archive, and what its headers may say against the truth. */
export interface ZipEntry {
  name: string;
  content: string | Uint8Array;
  /** Deflated by default. */
  stored?: boolean;
  /** What the headers say instead of the true length or checksum. */
  claimedSize?: number;
  claimedCrc?: number;
  claimedPackedSize?: number;
  /** General purpose bits; 1 is encrypted. */
  flags?: number;
  method?: number;
  /** Where the table of contents says that the entry begins. */
  claimedOffset?: number;
}

/** Writes a zip archive; `claimedCount` is what it says of its number of entries. */
export function zip(entries: readonly ZipEntry[], claimedCount = entries.length): Buffer {
  const files: Buffer[] = [];
  const contents: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const bytes = Buffer.from(entry.content as Uint8Array);
    const packed = entry.stored ? bytes : deflateRawSync(bytes);
    const name = Buffer.from(entry.name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(entry.flags ?? 0, 2);
    shared.writeUInt16LE(entry.method ?? (entry.stored ? 0 : 8), 4);
    shared.writeUInt32LE(entry.claimedCrc ?? crc32(bytes), 10);
    shared.writeUInt32LE(entry.claimedPackedSize ?? packed.length, 14);
    shared.writeUInt32LE(entry.claimedSize ?? bytes.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const header = Buffer.alloc(46);
    header.writeUInt32LE(0x02014b50, 0);
    header.writeUInt16LE(20, 4);
    shared.copy(header, 6);
    header.writeUInt32LE(entry.claimedOffset ?? offset, 42);
    contents.push(header, name);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, name, packed]);
    files.push(local);
    offset += local.length;
  }
  const table = Buffer.concat(contents);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(claimedCount, 8);
  end.writeUInt16LE(claimedCount, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, table, end]);
}

/** A cell as its value, as one of those with a type of its own, or as markup between `<row>` and `</row>`. */
export type TestCell =
  | string
  | number
  | boolean
  | null
  | { serial: number; format: number }
  | { shared: number }
  | { error: string }
  | { formula: string; value: string | number }
  | { raw: string };

export interface TestSheet {
  name: string;
  rows?: readonly (readonly TestCell[])[];
  state?: 'hidden' | 'veryHidden';
  /** Merged areas, as `A1:B2`. */
  merged?: readonly string[];
  /** The whole part, instead of the rows. */
  markup?: string;
}

export interface TestWorkbook {
  sheets: readonly TestSheet[];
  date1904?: boolean;
  /** The `si` elements of the shared texts, as markup. */
  shared?: readonly string[];
  /** Number formats of the styles from 1 on: the number of a builtin one, or a format of its own. */
  formats?: readonly (number | string)[];
  strict?: boolean;
  /** Before the names of elements, as `x`. */
  prefix?: string;
  extra?: readonly ZipEntry[];
  /** Changes a part before it is packed. */
  change?: (entry: ZipEntry) => ZipEntry;
}

export const escapeMarkup = (text: string) =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`).replace(/\r/g, '&#13;');

const letters = (column: number): string =>
  (column >= 26 ? letters(Math.floor(column / 26) - 1) : '') + String.fromCharCode(65 + (column % 26));

function cellMarkup(cell: TestCell, place: string): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return `<c r="${place}"><v>${cell}</v></c>`;
  if (typeof cell === 'boolean') return `<c r="${place}" t="b"><v>${cell ? 1 : 0}</v></c>`;
  if (typeof cell === 'string') {
    return `<c r="${place}" t="inlineStr"><is><t xml:space="preserve">${escapeMarkup(cell)}</t></is></c>`;
  }
  if ('raw' in cell) return cell.raw;
  if ('serial' in cell) return `<c r="${place}" s="${cell.format}"><v>${cell.serial}</v></c>`;
  if ('shared' in cell) return `<c r="${place}" t="s"><v>${cell.shared}</v></c>`;
  if ('error' in cell) return `<c r="${place}" t="e"><v>${cell.error}</v></c>`;
  const type = typeof cell.value === 'string' ? ' t="str"' : '';
  return `<c r="${place}"${type}><f>${escapeMarkup(cell.formula)}</f><v>${escapeMarkup(String(cell.value))}</v></c>`;
}

/** The markup of rows, each with its number. */
export const rowsMarkup = (rows: readonly (readonly TestCell[])[]) =>
  rows
    .map((cells, row) => {
      const markup = cells.map((cell, column) => cellMarkup(cell, `${letters(column)}${row + 1}`)).join('');
      return `<row r="${row + 1}">${markup}</row>`;
    })
    .join('');

/** The files of a workbook. */
export function workbookParts(book: TestWorkbook): ZipEntry[] {
  const office = book.strict ? 'http://purl.oclc.org/ooxml' : 'http://schemas.openxmlformats.org';
  const main = book.strict ? `${office}/spreadsheetml/main` : `${office}/spreadsheetml/2006/main`;
  const relation = book.strict
    ? `${office}/officeDocument/relationships`
    : `${office}/officeDocument/2006/relationships`;
  const packaged = 'http://schemas.openxmlformats.org/package/2006/relationships';
  const prefixed = (markup: string) =>
    book.prefix ? markup.replace(/<(\/?)(?=[a-zA-Z])/g, `<$1${book.prefix}:`) : markup;
  const part = (root: string, inside: string) => {
    const space = `xmlns${book.prefix ? `:${book.prefix}` : ''}="${main}" xmlns:r="${relation}"`;
    return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${prefixed(`<${root} ${space}>${inside}</${root}>`)}`;
  };
  const links = (list: readonly [id: string, type: string, target: string][]) =>
    `<Relationships xmlns="${packaged}">${list
      .map(([id, type, target]) => `<Relationship Id="${id}" Type="${relation}/${type}" Target="${target}"/>`)
      .join('')}</Relationships>`;
  const listed = book.sheets.map(({ name, state }, index) => {
    const hidden = state ? ` state="${state}"` : '';
    return `<sheet name="${escapeMarkup(name)}" sheetId="${index + 1}"${hidden} r:id="rId${index + 1}"/>`;
  });
  const formats = book.formats ?? [];
  const own = formats.flatMap((format, index) =>
    typeof format === 'string' ? `<numFmt numFmtId="${200 + index}" formatCode="${escapeMarkup(format)}"/>` : [],
  );
  const styles = formats.map(
    (format, index) => `<xf numFmtId="${typeof format === 'string' ? 200 + index : format}"/>`,
  );
  const entries: ZipEntry[] = [
    {
      name: '[Content_Types].xml',
      content: '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    },
    { name: '_rels/.rels', content: links([['rId1', 'officeDocument', 'xl/workbook.xml']]) },
    {
      name: 'xl/workbook.xml',
      content: part(
        'workbook',
        `<workbookPr${book.date1904 ? ' date1904="1"' : ''}/><sheets>${listed.join('')}</sheets>`,
      ),
    },
    {
      name: 'xl/_rels/workbook.xml.rels',
      content: links([
        ...book.sheets.map((_, index): [string, string, string] => [
          `rId${index + 1}`,
          'worksheet',
          index % 2 === 0 ? `worksheets/sheet${index + 1}.xml` : `/xl/worksheets/sheet${index + 1}.xml`,
        ]),
        ['rId9001', 'styles', 'styles.xml'],
        ...(book.shared ? [['rId9002', 'sharedStrings', 'sharedStrings.xml'] as [string, string, string]] : []),
      ]),
    },
    {
      name: 'xl/styles.xml',
      content: part(
        'styleSheet',
        `<numFmts>${own.join('')}</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/>${styles.join('')}</cellXfs>`,
      ),
    },
    ...(book.shared ? [{ name: 'xl/sharedStrings.xml', content: part('sst', book.shared.join('')) }] : []),
    ...book.sheets.map(({ rows = [], merged = [], markup }, index) => {
      const merges = merged.map((area) => `<mergeCell ref="${area}"/>`).join('');
      const inside = `<sheetData>${rowsMarkup(rows)}</sheetData>${merges ? `<mergeCells>${merges}</mergeCells>` : ''}`;
      return { name: `xl/worksheets/sheet${index + 1}.xml`, content: markup ?? part('worksheet', inside) };
    }),
    ...(book.extra ?? []),
  ];
  return book.change ? entries.map(book.change) : entries;
}

/** A workbook as the bytes of its file. */
export const workbook = (book: TestWorkbook): Buffer => zip(workbookParts(book));

/** A workbook of one sheet. */
export const sheetOf = (rows: readonly (readonly TestCell[])[], rest: Partial<TestWorkbook> = {}): Buffer =>
  workbook({ sheets: [{ name: 'Sheet1', rows }], ...rest });

/**
 * A compound file, the container of old and of encrypted Office documents, with streams of these names and nothing in them.
 */
export function compoundFile(names: readonly string[]): Buffer {
  const sector = 512;
  const sectors = Math.ceil((names.length + 1) / 4);
  const file = Buffer.alloc(sector * (2 + sectors));
  file.write('d0cf11e0a1b11ae1', 0, 'hex');
  file.writeUInt16LE(0x3e, 24);
  file.writeUInt16LE(3, 26);
  file.writeUInt16LE(0xfffe, 28);
  file.writeUInt16LE(9, 30);
  file.writeUInt16LE(6, 32);
  file.writeUInt32LE(1, 44);
  file.writeUInt32LE(1, 48);
  file.fill(0xff, 76, sector);
  file.writeUInt32LE(0, 76);
  file.fill(0xff, sector, sector * 2);
  file.writeUInt32LE(0xfffffffd, sector);
  for (let i = 0; i < sectors; i++) file.writeUInt32LE(i + 1 < sectors ? i + 2 : 0xfffffffe, sector + 4 * (i + 1));
  ['Root Entry', ...names].forEach((name, index) => {
    const at = sector * 2 + index * 128;
    file.write(name, at, 'utf16le');
    file.writeUInt16LE(name.length * 2 + 2, at + 64);
    file[at + 66] = index === 0 ? 5 : 2;
  });
  return file;
}
