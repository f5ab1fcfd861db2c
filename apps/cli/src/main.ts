import 'reflect-metadata';
import { Command } from 'commander';
import { fail } from '../../shared/boot';
import { createAdminCommand } from './commands/create-admin.command';
import { importCommand } from './commands/import.command';
import { migrateCommand } from './commands/migrate.command';
import { replayCommand } from './commands/replay.command';

const program = new Command('muster')
  .description(
    'Muster on the command line. It works on the store that the environment names, as the server does (see .env.example).',
  )
  .showHelpAfterError();

for (const command of [importCommand(), replayCommand(), migrateCommand(), createAdminCommand()])
  program.addCommand(command);
program.parseAsync().catch(fail);
