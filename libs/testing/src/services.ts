import { Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Role } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { Team, User } from '@muster/features/auth/auth.entity';
import { Group } from '@muster/features/groups/groups.entity';
import { readConfig } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Database } from '@muster/platform/database/database';
import { RecordIds } from '@muster/platform/database/record-ids';
import { Transactions } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { openTestDatabase, TestDatabase } from './database';

/** The services of some features over an empty store of the tested profile. */
export interface TestServices extends TestDatabase {
  get<T>(type: Type<T>): T;
  /** @returns the new team's id */
  addTeam(): Promise<number>;
  addUser(role: Role, teamId: number, values?: Partial<User>): Promise<Principal>;
  /** A group without members, made by user 1. */
  addGroup(): Promise<number>;
  /** What was said so far, oldest first. */
  events(): Promise<{ name: string; payload: Record<string, unknown> }[]>;
}

class Given {}

export async function openTestServices(...features: Type[]): Promise<TestServices> {
  const store = await openTestDatabase();
  const config = readConfig({ JWT_SECRETS: 'Zm9yLXRlc3RzLW9ubHktMDEyMzQ1Njc4OWFiY2RlZg' });
  const providers = [
    { provide: CONFIG, useValue: config },
    { provide: Database, useValue: store.database },
    { provide: Transactions, useValue: store.transactions },
    { provide: RecordIds, useValue: store.recordIds },
    Outbox,
  ];
  const given = { module: Given, global: true, providers, exports: providers };
  const app = await Test.createTestingModule({ imports: [given, ...features] }).compile();
  let people = 0;
  const common = () => ({ createdAt: new Date(), updatedAt: new Date(), version: 1 });
  const insert = async <T extends object>(table: string, values: Partial<T>): Promise<number> => {
    const { identifiers } = await store.transactions.run((tx) =>
      tx.manager.getRepository<T>(table).insert(values as T),
    );
    return Number(identifiers[0].id);
  };
  return {
    ...store,
    get: (type) => app.get(type, { strict: false }),
    addTeam: () => insert<Team>('teams', { ...common(), name: `Team ${++people}`, isDefault: false }),
    addGroup() {
      const name = `group ${++people}`;
      return insert<Group>('contact_groups', { ...common(), name, nameKey: name, createdBy: 1 });
    },
    async addUser(role, teamId, values = {}) {
      const email = `user${++people}@example.com`;
      const user: Omit<User, 'id'> = {
        ...common(),
        name: `User ${people}`,
        email,
        emailKey: email,
        passwordHash: '-',
        role,
        teamId,
        phone: null,
        active: true,
        deletedAt: null,
        ...values,
      };
      return { userId: await insert<User>('users', user), role, teamId, sessionId: null };
    },
    async events() {
      const rows = await store.database.query<{ name: string; payload: string }>(
        'SELECT name, payload FROM outbox ORDER BY id',
      );
      return rows.map(({ name, payload }) => ({ name, payload: JSON.parse(payload) as Record<string, unknown> }));
    },
  };
}
