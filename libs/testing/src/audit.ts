import { AuditRepository } from '@muster/features/audit/audit.repository';
import { AuditService } from '@muster/features/audit/audit.service';
import { TestDatabase } from './database';

/** The audit log of a test store. */
export const buildAudit = ({ database }: Pick<TestDatabase, 'database'>) =>
  new AuditService(new AuditRepository(database));
