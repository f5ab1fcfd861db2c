import { Command } from 'commander';
import { inApplication } from '../context';

/** Brings the store up to date. Every start does so too; this is for deployments that migrate first. */
export const migrateCommand = () =>
  new Command('migrate').description('bring the store up to date').action(() =>
    inApplication(false, async () => {
      process.stdout.write('The store is up to date.\n');
      return 0;
    }),
  );
