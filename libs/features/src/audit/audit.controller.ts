import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Allow } from '@muster/platform/http/access';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { AuditEntryView, AuditPage, ListAuditQuery } from './audit.dto';
import { AuditService } from './audit.service';

@ApiTags('audit log')
@ApiBearerAuth()
@Controller('audit-log')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  /** Who changed what, newest first. The log is written by the changes themselves, and cannot be changed. */
  @Get()
  @Allow('audit:read')
  list(@Query() query: ListAuditQuery): Promise<AuditPage> {
    return this.audit.list(query);
  }

  @Get(':id')
  @Allow('audit:read')
  get(@Param('id', RecordIdPipe) id: number): Promise<AuditEntryView> {
    return this.audit.get(id);
  }
}
