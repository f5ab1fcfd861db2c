import Sqlite from 'better-sqlite3';
import { connect } from '../bench/place.mjs';

/**
 * One connection to a store, for questions in plain SQL with `?` marks. It asks from outside: it is not the program's.
 * @typedef {{query(sql: string, params?: unknown[]): Promise<object[]>, close(): Promise<void>}} Store
 */

/** @returns {Promise<Store>} */
export async function openStore(database) {
  if (database.kind === 'sqlite') {
    const file = new Sqlite(database.path, { fileMustExist: true, timeout: 10_000 });
    return {
      query: async (sql, params = []) => {
        const statement = file.prepare(sql);
        if (statement.reader) return statement.all(...params);
        statement.run(...params);
        return [];
      },
      close: async () => file.close(),
    };
  }
  const connection = await connect(database.url);
  return {
    query: async (sql, params = []) => {
      const [rows] = await connection.query(sql, params);
      return Array.isArray(rows) ? rows : [];
    },
    close: () => connection.end(),
  };
}

/** Asks with a connection that is closed again at once: a killed process must not find another one holding the file open. */
export async function ask(database, work) {
  const store = await openStore(database);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
