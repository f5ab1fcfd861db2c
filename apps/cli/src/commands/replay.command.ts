import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf, ProblemError } from '@muster/core/errors';
import { AuthService } from '@muster/features/auth/auth.service';
import { ImportsEmissionsService } from '@muster/features/imports/imports.emissions.service';
import { inApplication } from '../context';

interface Flags {
  outcome?: ('created' | 'updated')[];
}

/** Orders the events of an import's records once more; a running server says them, little by little. */
export const replayCommand = () =>
  new Command('replay')
    .description("say the events of an import's records once more; a running server says them")
    .argument('<importId>', 'the import', importIdOf)
    .addOption(new Option('--outcome <outcome...>', 'only rows with these outcomes').choices(['created', 'updated']))
    .action(async (importId: number, { outcome }: Flags) => {
      await inApplication(false, async (app) => {
        try {
          const caller = await app.get(AuthService, { strict: false }).systemPrincipal();
          const { total } = await app
            .get(ImportsEmissionsService, { strict: false })
            .replay(caller, importId, outcome && [...new Set(outcome)]);
          process.stdout.write(`The events of ${total} rows of import ${importId} will be said again.\n`);
          return 0;
        } catch (error) {
          if (!(error instanceof ProblemError)) throw error;
          process.stderr.write(`${messageOf(error)} (${error.code})\n`);
          return 1;
        }
      });
    });

function importIdOf(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('It must be the id of an import.');
  return Number(text);
}
