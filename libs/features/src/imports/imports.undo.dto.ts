import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMinSize, ArrayUnique, IsArray, IsIn, IsOptional } from 'class-validator';
import { PageMetaDto } from '@muster/platform/http/list-query.dto';
import { EMITTED_OUTCOMES } from './imports.emissions.entity';
import type { EmittedOutcome } from './imports.emissions.entity';
import { LedgerPageQuery } from './imports.ledger.dto';
import { UNDO_REASONS, UNDO_RESULTS } from './imports.undo.entity';
import type { UndoReason, UndoResult } from './imports.undo.entity';

export const UNDO_STATUSES = ['none', 'running', 'failed', 'done'] as const;

/** Rows of the import that did something, by what became of that. */
export class UndoCounts {
  /** The record that the row made is deleted. */
  deleted: number;
  /** The values that the row changed are back. */
  restored: number;
  /** The record was changed since, so it stays as it is. */
  kept: number;
  /** The record was there no more. */
  gone: number;
}

export class UndoProgress {
  processed: number;
  /** Rows that did something. */
  total: number;
}

export class UndoView {
  /** `none`: it was never undone. `failed`: for a reason of our own; starting it again goes on where it stopped. */
  @ApiProperty({ enum: UNDO_STATUSES })
  status: (typeof UNDO_STATUSES)[number];
  counts: UndoCounts;
  progress: UndoProgress;
  startedBy: number | null;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** Which rows of an undo. */
export class ListUndoRowsQuery extends LedgerPageQuery {
  /** Only rows with this result. */
  @IsIn(UNDO_RESULTS)
  @IsOptional()
  @ApiPropertyOptional({ enum: UNDO_RESULTS })
  result?: UndoResult;
}

export class UndoReasonView {
  @ApiProperty({ enum: UNDO_REASONS })
  code: UndoReason;
  message: string;
}

export class UndoRowView {
  /** Number of the data row, from 1. */
  row: number;
  @ApiProperty({ enum: UNDO_RESULTS })
  result: UndoResult;
  /** The record that the row had made; the one that it had changed, if the caller may read that. */
  recordId?: number;
  /** Why, of what was not taken back. */
  reason?: UndoReasonView;
}

export class UndoRowPage {
  data: UndoRowView[];
  meta: PageMetaDto;
}

export class ReplayInput {
  /** Which rows are said again, by what became of them; all by default. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(EMITTED_OUTCOMES, { each: true })
  @IsOptional()
  @ApiPropertyOptional({ enum: EMITTED_OUTCOMES, isArray: true })
  outcomes?: EmittedOutcome[];
}

export class ReplayAccepted {
  id: number;
  /** Rows whose events will be said. */
  total: number;
}

/** The events of an import's records on their way to who listens. */
export class EmissionView {
  /** `import`: for the first time. `replay`: once more. `undo`: what the undo did. */
  @ApiProperty({ enum: ['import', 'replay', 'undo'] })
  kind: 'import' | 'replay' | 'undo';
  @ApiProperty({ enum: ['running', 'done'] })
  status: 'running' | 'done';
  /** Rows that are said, and rows to say. */
  emitted: number;
  total: number;
}
