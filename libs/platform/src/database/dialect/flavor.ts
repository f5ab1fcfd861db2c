import { QueryRunner } from 'typeorm';
import { Flavor } from './columns';

/** The database that a migration runs on. */
export function flavorOf(runner: QueryRunner): Flavor {
  const { type } = runner.dataSource.options;
  if (type === 'mysql' || type === 'mariadb') return type;
  return 'sqlite';
}
