import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { CustomersController } from './customers.controller';
import { CustomersRepository } from './customers.repository';
import { CustomersService } from './customers.service';

@Module({ imports: [AuthModule], providers: [CustomersRepository, CustomersService], exports: [CustomersService] })
export class CustomersModule {}

@Module({ imports: [CustomersModule], controllers: [CustomersController] })
export class CustomersHttpModule {}
