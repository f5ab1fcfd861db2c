import { Injectable } from '@nestjs/common';
import { Principal } from '@muster/core/principal';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { CustomFieldsService, LoadedFields } from '../custom-fields/custom-fields.service';
import { Import } from './imports.entity';
import { ImportLedger } from './imports.ledger';
import { ImportNames } from './imports.names.service';
import { ImportPlans } from './imports.plans';
import { readableRecords } from './imports.policy';
import { Holder, indexOf, PreviewFlags } from './imports.preview.flags';
import { CheckedRow, ImportsPreviewScanService, RowReader } from './imports.preview.scan.service';
import { ImportsService } from './imports.service';
import { PreviewCounts, PreviewDuplicate, PreviewPage, PreviewQuery } from './imports.steps.dto';
import { requireReady } from './imports.steps.service';

/** A file of so many rows is scanned for its first page already. */
const SMALL = 20_000;
/** Of a longer cell so many characters are shown. */
const SHOWN = 2_000;
/** Columns of a record that say where it comes from, not what it holds. */
const BOOKKEEPING = ['id', 'origin_import_id', 'origin_row', 'created_by', 'created_at', 'updated_at', 'version'];
const JSON_COLUMNS = ['tags', 'metadata', 'custom_fields'];

/** Shows how the rows of a file would be imported, by the same checks. */
@Injectable()
export class ImportsPreviewService {
  constructor(
    private readonly imports: ImportsService,
    private readonly plans: ImportPlans,
    private readonly scans: ImportsPreviewScanService,
    private readonly ledger: ImportLedger,
    private readonly customFields: CustomFieldsService,
    private readonly names: ImportNames,
  ) {}

  /**
   * A page of the file under the current mapping. Of cells the first 2,000 characters are shown.
   * @throws 404; 409 `import-not-ready`; 503 `preview-computing`
   */
  async page(principal: Principal, id: number, query: PreviewQuery): Promise<PreviewPage> {
    const work = requireReady(await this.imports.get(principal, id));
    const fields = await this.customFields.current(work.target);
    const { numbers, flags } = await this.choose(work, fields, query);
    const { page, limit, only } = query;
    const counts = flags && countsOf(flags);
    const meta = { page, limit, total: only && flags ? flags.count(only) : work.totalRows!, counts };
    if (numbers.length === 0) return { data: [], meta };
    const names = work.analysis!.columns.map(({ name }) => name);
    const reader = new RowReader(work, fields);
    const staged = await this.plans.stagedTable(work);
    try {
      const rows = await readAll(staged, numbers, names.length);
      const chosen = rows.map((row) => ({ ...row, cells: reader.columns.map((at) => row.cells[at]) }));
      const named = await this.names.of(work, reader.targets, chosen);
      const checked = chosen.map((row) => reader.read(row, named));
      const duplicates = await this.duplicatesOf(principal, work, reader, checked, flags);
      const data = rows.map(({ cells, row }, index) => ({
        ...Object.fromEntries(names.map((name, at) => [name, cells[at]?.slice(0, SHOWN) ?? null])),
        _row: row,
        _valid: checked[index].errors === null,
        _errors: checked[index].errors ?? [],
        ...(duplicates.has(row) ? { _duplicate: duplicates.get(row)! } : {}),
        _values: valuesOf(reader.names, checked[index]),
      }));
      return { data, meta };
    } finally {
      await staged.close();
    }
  }

  /** The rows of the page; and the flags of the whole file, where they are needed or at hand. */
  private async choose(
    work: Import,
    fields: LoadedFields,
    { page, limit, only }: PreviewQuery,
  ): Promise<{ numbers: number[]; flags: PreviewFlags | null }> {
    const offset = (page - 1) * limit;
    if (only) {
      const flags = await this.scans.flags(work, fields);
      return { numbers: flags.rowsAt(only, offset, limit), flags };
    }
    const length = Math.max(0, Math.min(limit, work.totalRows! - offset));
    const numbers = Array.from({ length }, (_, index) => offset + index + 1);
    // Which of the rows before it makes a record decides over a row that shares a value.
    const sharing = await this.plans.sharingOf(work);
    const needed = work.totalRows! <= SMALL || numbers.some((row) => indexOf(sharing, row) >= 0);
    return { numbers, flags: needed ? await this.scans.flags(work, fields) : this.scans.atHand(work, fields) };
  }

  private async duplicatesOf(
    principal: Principal,
    work: Import,
    reader: RowReader,
    checked: CheckedRow[],
    flags: PreviewFlags | null,
  ): Promise<Map<number, PreviewDuplicate>> {
    const valid = checked.filter(({ errors }) => errors === null);
    const met = new Map<number, Holder>();
    if (flags) {
      for (const { row } of valid) {
        const holder = flags.holderOf(row);
        if (holder) met.set(row, holder);
      }
    } else {
      const holders = await this.scans.storedHolders(reader, valid);
      for (const row of valid) {
        const recordId = holders(row).find((each) => each !== null);
        if (recordId) met.set(row.row, { of: 'store', recordId });
      }
    }
    const ids = [...met.values()].flatMap((holder) => (holder.of === 'store' ? [holder.recordId] : []));
    const told = await this.ledger.recordsAmong(work.target, ids, readableRecords(principal, work.target));
    return new Map(
      [...met].map(([row, holder]) => [
        row,
        holder.of === 'file' || told.has(holder.recordId) ? holder : { of: holder.of },
      ]),
    );
  }
}

const countsOf = (flags: PreviewFlags): PreviewCounts => ({
  valid: flags.count('valid'),
  invalid: flags.count('invalid'),
  duplicates: flags.count('duplicates'),
});

/** Neighbouring rows are read as a range, which also cuts cells that are too large to be shown. */
function readAll(staged: StagedTable, numbers: number[], columns: number) {
  const every = Array.from({ length: columns }, (_, index) => index);
  const [first, last] = [numbers[0], numbers.at(-1)!];
  const isRange = last - first + 1 === numbers.length;
  return isRange ? staged.readRows(first, last, every) : staged.readRowSet(numbers, every);
}

/** What the record of a row would hold, by property; null for a row that would make none. */
function valuesOf(names: string[], { errors, values }: CheckedRow): Record<string, unknown> | null {
  if (errors) return null;
  return Object.fromEntries(
    names.flatMap((name, index) => {
      if (BOOKKEEPING.includes(name)) return [];
      const property = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      return [
        [property, JSON_COLUMNS.includes(name) ? (JSON.parse(values[index] as string) as unknown) : values[index]],
      ];
    }),
  );
}
