import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { LeadsController } from './leads.controller';
import { LeadsRepository } from './leads.repository';
import { LeadsService } from './leads.service';

@Module({ imports: [AuthModule], providers: [LeadsRepository, LeadsService], exports: [LeadsService] })
export class LeadsModule {}

@Module({ imports: [LeadsModule], controllers: [LeadsController] })
export class LeadsHttpModule {}
