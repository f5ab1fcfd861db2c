import { QueryRunner } from 'typeorm';
import { logOf } from '../../observability/logger';
import { flavorOf } from './flavor';

/** The server lets only privileged users make triggers: no TRIGGER privilege; binary log without log_bin_trust_function_creators. */
const NOT_ALLOWED = new Set([1142, 1227, 1419]);

/**
 * Makes the database itself refuse to change or delete rows of a table whose key is `id`; for migrations. On a server whose administrator does not
 * allow triggers the table stays append-only by the application alone, and the log says so.
 */
export async function makeAppendOnly(runner: QueryRunner, table: string): Promise<void> {
  const onSqlite = flavorOf(runner) === 'sqlite';
  const refuse = `BEGIN SELECT RAISE(ABORT, '${table} is append-only'); END`;
  if (onSqlite) {
    // A REPLACE deletes without firing the DELETE trigger there.
    const known = `WHEN EXISTS (SELECT 1 FROM ${table} WHERE id = NEW.id)`;
    await runner.query(`CREATE TRIGGER ${table}_no_replace BEFORE INSERT ON ${table} ${known} ${refuse}`);
  }
  for (const verb of ['UPDATE', 'DELETE']) {
    const trigger = `${table}_no_${verb.toLowerCase()}`;
    const refusal = onSqlite
      ? refuse
      : `FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '${table} is append-only'`;
    try {
      await runner.query(`DROP TRIGGER IF EXISTS ${trigger}`);
      await runner.query(`CREATE TRIGGER ${trigger} BEFORE ${verb} ON ${table} ${refusal}`);
    } catch (error) {
      const { errno } = (error as { driverError?: { errno?: number } }).driverError ?? {};
      if (!NOT_ALLOWED.has(errno ?? 0)) throw error;
      logOf('database').warn({ table, errno }, 'The server allows no trigger to hold this table append-only.');
      return;
    }
  }
}
