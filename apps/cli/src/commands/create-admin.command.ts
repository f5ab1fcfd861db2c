import { Command } from 'commander';
import { messageOf, ProblemError } from '@muster/core/errors';
import { AdminBootstrap } from '@muster/features/auth/auth.admin';
import { inApplication } from '../context';

/** Creates an administrator. The password comes from standard input, so that it stays out of the process list. */
export const createAdminCommand = () =>
  new Command('create-admin')
    .description('create an administrator; the password is read from standard input')
    .requiredOption('--email <email>', 'e-mail to sign in with')
    .option('--name <name>', 'name', 'Administrator')
    .action(async ({ email, name }: { email: string; name: string }) => {
      if (process.stdin.isTTY) process.stderr.write('Password (10 characters or more), then Enter: ');
      const password = await firstLine();
      await inApplication(false, async (app) => {
        try {
          const user = await app.get(AdminBootstrap, { strict: false }).createAdmin(email, password, name);
          process.stdout.write(`Created the administrator ${user.email} (id ${user.id}).\n`);
          return 0;
        } catch (error) {
          if (!(error instanceof ProblemError)) throw error;
          process.stderr.write(`${messageOf(error)}\n`);
          return 1;
        }
      });
    });

async function firstLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  return text.split(/\r?\n/)[0];
}
