import { Principal } from '@muster/core/principal';
import { MOST_NAMED } from '@muster/platform/http/named-page';
import { openTestServices, TestServices } from '@muster/testing/services';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { indexSome, queueForSearch } from '../contacts/search/contacts.search.service';
import { ListLeadsQuery } from './leads.dto';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

const COLUMNS =
  'id,name,email,company,status,source,assigned_to,tags,custom_fields,metadata,do_not_contact,created_by,created_at,updated_at,version'.split(
    ',',
  );
/** How many leads have a word: on both sides of each limit. */
const HOLDERS = { solo: 1, fifty: 50, beyond: 51, full: MOST_NAMED, over: MOST_NAMED + 1, none: 0 };
const LEADS = 1_400;
/** These and the later ones wait for their terms. */
const FIRST_WAITING = 1_301;

describe('pages of what a search finds', () => {
  let services: TestServices;
  let leads: LeadsService;
  let who: Record<'admin' | 'manager' | 'agent', Principal>;
  let groupId: number;

  const words = (n: number) =>
    Object.entries(HOLDERS).flatMap(([word, many]) => (n % 20 === 0 && n / 20 <= many ? [word] : []));
  const isLate = (n: number) => n >= FIRST_WAITING && n % 50 === 0;
  const assignee = (n: number) => (n % 3 === 0 ? 999_999 : n % 70 === 0 ? who.agent.userId : null);
  const sees = {
    admin: () => true,
    manager: (n: number) => assignee(n) !== 999_999,
    agent: (n: number) => assignee(n) === who.agent.userId,
  };
  const numbers = Array.from({ length: LEADS }, (_, index) => index + 1);

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    const team = await services.addTeam();
    const [admin, manager, agent] = [
      await services.addUser('admin', team),
      await services.addUser('manager', team),
      await services.addUser('agent', team),
    ];
    who = { admin, manager, agent };
    const { database, transactions } = services;
    const write = (some: number[]) =>
      transactions.run(async (tx) => {
        const buffer = database.dialect.bulkBuffer();
        for (const n of some) {
          const time = new Date(Date.UTC(2026, 0, 1) + (n >> 1) * 1_000).toISOString().replace('T', ' ').slice(0, 23);
          const company = [...words(n), ...(isLate(n) ? ['solo', 'fifty'] : [])].join(' ') || null;
          const status = n % 40 === 0 ? 'lost' : 'new';
          const name = `Person ${'𝔄Ωz'[n % 3]}${n % 7}`;
          buffer.add([
            ...[n, name, `n${n}@x.test`, company, status, 'web', assignee(n), '[]', '{}', '{}', 0, admin.userId],
            ...[time, time, 1],
          ]);
        }
        await database.dialect.bulkInsert(tx.runner, 'leads', COLUMNS, buffer);
        await queueForSearch(tx, database, 'leads', [{ firstId: some[0], lastId: some[some.length - 1] }]);
      });
    await write(numbers.filter((n) => n < FIRST_WAITING));
    while (await transactions.bookkeep((tx) => indexSome(tx, database, 5_000)));
    await write(numbers.filter((n) => n >= FIRST_WAITING));
    groupId = await services.addGroup();
    await transactions.run(async (tx) => {
      const members = numbers.filter((n) => n % 60 === 0);
      await services.get(Memberships).add(tx, groupId, 'leads', members, admin.userId);
    });
  }, 60_000);
  afterAll(() => services.close());

  const has = (word: string) => (n: number) =>
    words(n).includes(word) || (isLate(n) && (word === 'solo' || word === 'fifty'));
  const SEARCHES: [string, (n: number) => boolean, ListLeadsQuery][] = [
    ...Object.keys(HOLDERS).map((word): [string, (n: number) => boolean, ListLeadsQuery] => [word, has(word), {}]),
    ['person full', has('full'), {}],
    ['over fifty', (n) => has('over')(n) && has('fifty')(n), {}],
    ['fifty', (n) => has('fifty')(n) && n % 40 === 0, { status: 'lost' }],
    ['over', (n) => has('over')(n) && n % 40 === 0, { status: 'lost' }],
    ['!', () => false, {}],
  ];

  describe.each(['admin', 'manager', 'agent'] as const)('as %s', (role) => {
    it.each(SEARCHES)('"%s" has all, once and in order, with their groups', async (q, holds, more) => {
      const wanted = numbers.filter((n) => sees[role](n) && holds(n));
      for (const sort of ['-createdAt', 'createdAt']) {
        const ids = sort === 'createdAt' ? wanted : wanted.toReversed();
        for (const limit of [1, 7, 50, 100]) {
          const page = (asked: ListLeadsQuery) => leads.list(who[role], { q, sort, limit, ...more, ...asked });
          const seen: number[] = [];
          for (let { data, meta } = await page({}); ; { data, meta } = await page({ cursor: meta.nextCursor })) {
            expect(meta.total).toBe(ids.length);
            for (const { id, groups } of data) {
              seen.push(id);
              expect(groups).toEqual(id % 60 === 0 ? [groupId] : []);
            }
            if (meta.nextCursor === null || (limit === 1 && seen.length > 3)) break;
          }
          expect(seen).toEqual(limit === 1 ? ids.slice(0, seen.length) : ids);
          const second = await page({ page: 2 });
          expect(second.data.map(({ id }) => id)).toEqual(ids.slice(limit, 2 * limit));
          expect(second.meta.total).toBe(ids.length);
        }
      }
    });

    it('goes on by cursor in the order of names, whose letters go beyond the first plane', async () => {
      for (const sort of ['name', '-name']) {
        const list = async (asked: ListLeadsQuery) => leads.list(who[role], { q: 'full', sort, ...asked });
        const whole = (await list({ limit: 100 })).data.map(({ id }) => id);
        const seen: number[] = [];
        for (
          let { data, meta } = await list({ limit: 5 });
          ;
          { data, meta } = await list({ limit: 5, cursor: meta.nextCursor })
        ) {
          seen.push(...data.map(({ id }) => id));
          if (meta.nextCursor === null) break;
        }
        expect(seen).toEqual(whole);
      }
    });
  });

  it('refuses a cursor of another sort, also where nothing is found', async () => {
    const { meta } = await leads.list(who.admin, { q: 'full', sort: 'name', limit: 5 });
    for (const q of ['full', 'none']) {
      const asked = leads.list(who.admin, { q, cursor: meta.nextCursor! });
      await expect(asked).rejects.toMatchObject({ code: 'cursor-invalid' });
    }
  });
});
