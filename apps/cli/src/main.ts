import 'reflect-metadata';
import { Command } from 'commander';
import { fail } from '../../shared/boot';
import { createAdminCommand } from './commands/create-admin.command';
import { importCommand } from './commands/import.command';
import { migrateCommand } from './commands/migrate.command';

const program = new Command('muster')
  .description(
    'Muster on the command line. It works on the store that the environment names, as the server does (see .env.example).',
  )
  .showHelpAfterError();

program.addCommand(importCommand()).addCommand(migrateCommand()).addCommand(createAdminCommand());
program.parseAsync().catch(fail);
