import { malformed } from './archive';
import { columnLetters, parsePlace, MAX_COLUMN } from './cell-ref';
import { GENERAL, isoText, numericText, type CellFormat } from './cell-values';
import { TextRuns, unescape, type MarkupHandler } from './markup';
import type { MergedAreas } from './merges';

/** A row with at least one cell that is not empty. */
export interface SheetRow {
  /** Its number in the sheet, from 1. */
  number: number;
  /** Of each cell that is not empty its column, from 0, in any order. */
  columns: number[];
  /** Beside each column a text, or the number of a shared one. */
  values: (string | number)[];
}

/** Cells of one column that hold an error such as `#N/A`. */
export interface ErrorCells {
  count: number;
  /** The first of them, as `#N/A in B7`. */
  first: string;
}

/**
 * Takes the markup of a sheet and makes rows of it. A cell's value is what the workbook says it is: a formula's is the result
 * that was stored with it.
 */
export class SheetReader implements MarkupHandler {
  /** The rows that are complete; who takes them empties it. */
  rows: SheetRow[] = [];
  readonly errorCells = new Map<number, ErrorCells>();

  private row: SheetRow | null = null;
  private lastRow = 0;
  private column = -1;
  private inCell = false;
  private type = '';
  private style = 0;
  private value = '';
  private inValue = false;
  private readonly runs = new TextRuns();
  private inline = false;

  constructor(
    private readonly formats: readonly CellFormat[],
    private readonly date1904: boolean,
    private readonly merged: MergedAreas,
  ) {}

  open(name: string, attributes: Record<string, string>): void {
    if (this.inCell) {
      if (name === 'v') this.inValue = true;
      else if (name === 'is') this.inline = true;
      else if (this.inline) this.runs.open(name, attributes);
    } else if (name === 'c' && this.row !== null) {
      this.beginCell(attributes);
    } else if (name === 'row') {
      const number = attributes.r === undefined ? this.lastRow + 1 : parsePlace(`A${attributes.r}`).row;
      this.lastRow = number;
      this.column = -1;
      this.row = { number, columns: [], values: [] };
    }
  }

  text(text: string): void {
    if (this.inValue) this.value += text;
    else if (this.inline) this.runs.add(text);
  }

  close(name: string): void {
    if (this.inCell) {
      if (name === 'v') this.inValue = false;
      else if (name === 'c') this.endCell();
      else if (this.inline) this.runs.close(name);
    } else if (name === 'row' && this.row !== null) {
      if (this.row.columns.length > 0) this.rows.push(this.row);
      this.row = null;
    }
  }

  private beginCell({ r, t, s }: Record<string, string>): void {
    this.column = r === undefined ? this.column + 1 : parsePlace(r).column;
    if (this.column >= MAX_COLUMN)
      throw malformed(`Row ${this.lastRow} of the sheet has more than ${MAX_COLUMN} cells.`);
    this.inCell = true;
    this.inline = this.inValue = false;
    this.type = t ?? 'n';
    this.style = s === undefined ? 0 : Number(s);
    this.value = '';
  }

  private endCell(): void {
    this.inCell = false;
    const value = this.read();
    this.inline = false;
    if (value === '' || this.merged.covers(this.lastRow, this.column)) return;
    this.row!.columns.push(this.column);
    this.row!.values.push(value);
  }

  private read(): string | number {
    const { value } = this;
    if (this.inline) return this.runs.take();
    if (value === '') return '';
    switch (this.type) {
      case 's':
        if (!/^\s*\d{1,9}\s*$/.test(value)) throw malformed(`Cell ${this.place()} refers to no shared text.`);
        return Number(value);
      case 'n':
        return numericText(value.trim(), this.formats[this.style] ?? GENERAL, this.date1904);
      case 'b':
        return /^(?:1|true)$/i.test(value.trim()) ? 'TRUE' : 'FALSE';
      case 'd':
        return isoText(value.trim());
      case 'e':
        this.countError();
        return '';
      default:
        return unescape(value);
    }
  }

  private countError(): void {
    const known = this.errorCells.get(this.column);
    // A copy: a piece of the markup would keep all of it.
    const error = Buffer.from(this.value.slice(0, 20)).toString();
    if (known) known.count++;
    else this.errorCells.set(this.column, { count: 1, first: `${error} in ${this.place()}` });
  }

  private place(): string {
    return `${columnLetters(this.column)}${this.lastRow}`;
  }
}
