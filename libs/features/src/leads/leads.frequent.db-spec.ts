import { Principal } from '@muster/core/principal';
import { readCustomFilters } from '@muster/platform/http/custom-filters';
import { openTestServices, TestServices } from '@muster/testing/services';
import { checkCounts } from '../contacts/lists/contacts.lists.service';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { indexSome, queueForSearch } from '../contacts/search/contacts.search.service';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { ListLeadsQuery } from './leads.dto';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

const LEADS = 9_000;
const COLUMNS =
  'id,name,email,status,source,tags,custom_fields,metadata,do_not_contact,created_by,created_at,updated_at,version'.split(
    ',',
  );

/**
 * Where in time a lead was made, by its number, from 1: two at a time, each hundred in an order of its own, and some far from their
 * neighbours.
 */
const timeOf = (n: number) => (n % 1_000 === 7 ? LEADS - n : n - (n % 100) + ((n * 37) % 100)) >> 1;
/** What a lead is found by. */
const isMaria = (n: number) => n % 3 === 0;
const isGarcia = (n: number) => n % 5 < 2;
/** All of them at the end of the list: they are not near. */
const isOld = (n: number) => n <= 2_500;
const isGold = (n: number) => n % 4 === 1;
/** Most of them at the end of the list, and some at its beginning. */
const isIron = (n: number) => !isGold(n) && (n <= 3_000 || n % 20 === 3);
const isMember = (n: number) => n % 3 === 1;
const kindsOf = (n: number) => (n % 4 < 2 ? ['A', 'B'] : n % 4 === 2 ? ['B'] : []);

const tierOf = (n: number) => (isGold(n) ? { tier: 'Gold' } : isIron(n) ? { tier: 'Iron' } : {});
const valuesOf = (n: number) => ({ ...tierOf(n), kinds: kindsOf(n) });

describe('lists of what many leads have', () => {
  let services: TestServices;
  let leads: LeadsService;
  let admin: Principal;
  let manager: Principal;
  let groupId: number;

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    const team = await services.addTeam();
    [admin, manager] = [await services.addUser('admin', team), await services.addUser('manager', team)];
    await services.get(CustomFieldDefinitionsService).create(admin, 'leads', {
      ...{ key: 'tier', label: 'Tier', type: 'list', options: ['Gold', 'Iron'], filterable: true },
    });
    await services.get(CustomFieldDefinitionsService).create(admin, 'leads', {
      ...{ key: 'kinds', label: 'Kinds', type: 'multi-list', options: ['A', 'B'], filterable: true },
    });
    const { database, transactions } = services;
    groupId = await services.addGroup();
    await transactions.run(async (tx) => {
      const buffer = database.dialect.bulkBuffer();
      const numbers = Array.from({ length: LEADS }, (_, index) => index + 1);
      for (const n of numbers) {
        const name = `${isMaria(n) ? 'María' : 'Ben'} ${isGarcia(n) ? 'García' : 'Roux'}${isOld(n) ? ' Senior' : ''}`;
        const time = new Date(Date.UTC(2026, 0, 1) + timeOf(n) * 1_000).toISOString().replace('T', ' ').slice(0, 23);
        const fields = JSON.stringify(valuesOf(n));
        buffer.add([n, name, `n${n}@x.test`, 'new', 'web', '[]', fields, '{}', 0, admin.userId, time, time, 1]);
      }
      await database.dialect.bulkInsert(tx.runner, 'leads', COLUMNS, buffer);
      await queueForSearch(tx, database, 'leads', [{ firstId: 1, lastId: LEADS }]);
      const set = await services.get(CustomFieldsService).load(tx, 'leads');
      const values = numbers.map((recordId) => ({ recordId, values: valuesOf(recordId) }));
      await services.get(CustomFieldsService).mirror(tx, set, values, true);
      await services.get(Memberships).add(tx, groupId, 'leads', numbers.filter(isMember), admin.userId);
    });
    while (await transactions.bookkeep((tx) => indexSome(tx, database, 5_000)));
    await checkCounts(database, transactions, 'leads');
  }, 60_000);
  afterAll(() => services.close());

  const LISTS: [string, () => ListLeadsQuery, Record<string, string | string[]>, (n: number) => boolean][] = [
    ['a word', () => ({ q: 'maria' }), {}, isMaria],
    ['a word that only old ones have', () => ({ q: 'senior' }), {}, isOld],
    ['two words', () => ({ q: 'garcia maria' }), {}, (n) => isGarcia(n) && isMaria(n)],
    ['two words that few have together', () => ({ q: 'senior mar' }), {}, (n) => isOld(n) && isMaria(n)],
    ['a word and a status', () => ({ q: 'maria', status: 'new' }), {}, isMaria],
    ['a custom field', () => ({}), { 'cf.tier': 'gold' }, isGold],
    ['either of two options', () => ({}), { 'cf.kinds': ['a', 'b'] }, (n) => kindsOf(n).length > 0],
    ['an option of several', () => ({}), { 'cf.kinds': 'b' }, (n) => kindsOf(n).includes('B')],
    [
      'no value of a custom field, and a source',
      () => ({ source: 'web' }),
      { 'cf.tier': '' },
      (n) => !isGold(n) && !isIron(n),
    ],
    ['an option that few have near the beginning', () => ({}), { 'cf.tier': 'iron' }, isIron],
    ['a group', () => ({ groupId }), {}, isMember],
    ['a group and a custom field', () => ({ groupId }), { 'cf.tier': 'gold' }, (n) => isMember(n) && isGold(n)],
    ['a group and a word', () => ({ groupId, q: 'maria' }), {}, (n) => isMember(n) && isMaria(n)],
  ];

  describe.each(LISTS)('filtered by %s', (_, query, fields, holds) => {
    it.each(['-createdAt', 'createdAt', 'name'])('has all of them, once and in order, by %s', async (sort) => {
      const numbers = Array.from({ length: LEADS }, (__, index) => index + 1)
        .filter(holds)
        .sort((a, b) => timeOf(a) - timeOf(b) || a - b);
      if (sort === '-createdAt') numbers.reverse();
      const filters = readCustomFilters(fields);
      for (const who of [admin, manager]) {
        const page = async (more: ListLeadsQuery) => {
          const { data, meta } = await leads.list(who, { ...query(), sort, limit: 100, ...more }, filters);
          return { ids: data.map(({ id }) => id), ...meta };
        };
        const first = await page({});
        expect(first.total).toBe(numbers.length);
        if (sort === 'name') continue;
        const seen = [...first.ids];
        let { nextCursor } = first;
        while (nextCursor !== null && seen.length < 2_000) {
          const next = await page({ cursor: nextCursor });
          expect(next.total).toBe(numbers.length);
          seen.push(...next.ids);
          nextCursor = next.nextCursor;
        }
        expect(seen).toEqual(numbers.slice(0, seen.length));
        expect((await page({ page: 7 })).ids).toEqual(numbers.slice(600, 700));
      }
    });
  });
});
