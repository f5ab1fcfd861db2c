import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { visibleGroups } from '../contacts/duplicates/contacts.duplicates.groups';
import { DuplicateKeys } from '../contacts/duplicates/contacts.duplicates.repository';
import { DuplicatesQuery } from '../contacts/duplicates/contacts.duplicates.service';
import { indexSome, queueForSearch } from '../contacts/search/contacts.search.service';
import { LeadsConvertService } from './leads.convert.service';
import { LeadInput } from './leads.dto';
import { LeadMergesService } from './leads.merge.service';
import { LeadsModule } from './leads.module';
import { visibleLeads } from './leads.policy';
import { LeadsService } from './leads.service';

/** People and numbers are invented. */
describe('near duplicates of leads', () => {
  let services: TestServices;
  let leads: LeadsService;
  let merges: LeadMergesService;
  let admin: Principal;
  let manager: Principal;
  let agent: Principal;
  let stranger: Principal;

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    merges = services.get(LeadMergesService);
    const [ours, theirs] = [await services.addTeam(), await services.addTeam()];
    admin = await services.addUser('admin', theirs);
    manager = await services.addUser('manager', ours);
    agent = await services.addUser('agent', ours);
    stranger = await services.addUser('manager', theirs);
  });
  afterAll(() => services.close());
  beforeEach(() =>
    services.transactions.run(async (tx) => {
      for (const table of ['leads', 'duplicate_keys', 'search_terms']) await tx.query(`DELETE FROM ${table}`);
    }),
  );

  let count = 0;
  const make = async (values: Partial<LeadInput>, by = manager) => {
    const body = { name: `Person ${++count}`, email: `near${count}@example.com`, source: 'web', ...values };
    return (await leads.create(by, body)).id;
  };
  const groups = async (by: Principal, query: DuplicatesQuery = {}) =>
    (await merges.duplicates(by, query)).data.map(({ reason, records, count: all }) => [
      reason,
      records.map(({ id }) => id),
      all,
    ]);

  it('are found by phone, by name and company, by name and e-mail', async () => {
    const phones = [await make({ phone: '+12015550180' }), await make({ phone: '+442015550180' })];
    const extended = [await make({ phone: '+49 30 123456 x12' }), await make({ phone: '+493012345612' })];
    const firms = [
      await make({ name: 'Zoë Müller', company: 'ACME, Inc.' }),
      await make({ name: 'muller, zoe', company: 'Acme Inc' }),
    ];
    const mails = [
      await make({ name: 'Ada Example', email: 'ada@example.com' }),
      await make({ name: 'Ada  EXAMPLE', email: 'ada@example.org' }),
    ];
    await make({ name: 'Ada Example', email: 'other@example.org' });
    const found = await groups(manager);
    expect(found).toHaveLength(4);
    expect(found).toEqual(
      expect.arrayContaining([
        ['phone', phones, 2],
        ['phone', extended, 2],
        ['name-company', firms, 2],
        ['name-email', mails, 2],
      ]),
    );
    expect(found.map(([reason]) => reason)).toEqual(['phone', 'phone', 'name-company', 'name-email']);
  });

  it('come and go with changes, deletions, merges and their undoing', async () => {
    const one = await make({ name: 'Ada Example', company: 'Acme' });
    const two = await make({ name: 'Bea Example', company: 'Acme' });
    expect(await groups(manager)).toEqual([]);
    await leads.patch(manager, two, { name: 'Ada Example' });
    expect(await groups(manager)).toEqual([['name-company', [one, two], 2]]);
    await leads.patch(manager, two, { company: null });
    expect(await groups(manager)).toEqual([]);
    await leads.patch(manager, two, { company: 'acme' });
    const { mergeId } = await merges.merge(manager, one, { sourceId: two });
    expect(await groups(manager)).toEqual([]);
    await merges.undo(manager, mergeId);
    expect(await groups(manager)).toEqual([['name-company', [one, two], 2]]);
    await leads.remove(manager, one);
    expect(await groups(manager)).toEqual([]);
    expect(await services.database.query('SELECT * FROM duplicate_keys WHERE record_id = ?', [one])).toEqual([]);
  });

  it('are those that the caller may see', async () => {
    const same = { name: 'Ada Example', company: 'Acme' };
    const [mine, ours, theirs] = [await make(same, agent), await make(same), await make(same, stranger)];
    expect(await groups(admin)).toEqual([['name-company', [mine, ours, theirs], 3]]);
    expect(await groups(manager)).toEqual([['name-company', [mine, ours], 2]]);
    expect(await groups(agent)).toEqual([]);
    expect(await groups(stranger)).toEqual([]);
  });

  it('are the same whichever way they are looked for', async () => {
    for (let each = 0; each < 40; each++) {
      const [name, company] = [`Same ${each % 7} Name`, `Acme ${each % 2}`];
      await make(
        { name, company, metadata: { phoneExtension: each % 5 ? undefined : '7' } },
        each % 3 ? manager : stranger,
      );
    }
    const keys = new DuplicateKeys(services.database);
    const within = visibleLeads(manager, 'leads:read');
    const all = async (few: number) => {
      const visible = await visibleGroups(keys, 'leads', within, few);
      const found: unknown[] = [];
      for (let kind = 0; kind < 3; kind++) {
        for (let after = -1; ;) {
          const [group] = await visible.next(kind, after, 1);
          if (!group) break;
          found.push([group, await visible.members(group, 3)]);
          after = group.keyHash;
        }
      }
      return found;
    };
    const compared = await all(1_000);
    expect(compared.length).toBeGreaterThan(10);
    expect(await all(0)).toEqual(compared);
  });

  it('are read by pages to the end, ten records of each', async () => {
    for (let group = 0; group < 7; group++) {
      for (let each = 0; each < (group === 0 ? 12 : 2); each++)
        await make({ name: `Same ${group} Name`, company: 'Acme' });
    }
    for (let group = 0; group < 3; group++) {
      for (const domain of ['com', 'org'])
        await make({ name: `Mail ${group} Name`, email: `m${group}@example.${domain}` });
    }
    for (const limit of [1, 2, 3, 7, 10, 20]) {
      const seen: unknown[] = [];
      let cursor: string | undefined;
      do {
        const { data, meta } = await merges.duplicates(manager, { limit, cursor });
        expect(data.length).toBeGreaterThan(0);
        expect(data.length).toBeLessThanOrEqual(limit);
        seen.push(
          ...data.map(({ reason, records, count: all }) => `${reason} ${records.length} ${all} ${records[0].id}`),
        );
        cursor = meta.nextCursor ?? undefined;
      } while (cursor);
      expect(new Set(seen).size).toBe(10);
      expect(seen).toHaveLength(10);
      expect(seen.filter((each) => String(each).startsWith('name-company 10 12'))).toHaveLength(1);
    }
    for (const cursor of [
      'x',
      Buffer.from('[9,1]').toString('base64url'),
      Buffer.from('[0,"1"]').toString('base64url'),
    ]) {
      await expect(merges.duplicates(manager, { cursor })).rejects.toMatchObject({
        status: 422,
        code: 'cursor-invalid',
      });
    }
  });

  it('of an import are found when a worker has been there; and the keys are those of single writes', async () => {
    const ids = [
      await make({ name: 'Ada Example', company: 'Acme', phone: '+12015550181 x3' }),
      await make({ name: 'Ada Example', company: 'Acme' }),
    ];
    const keys = () => services.database.query('SELECT * FROM duplicate_keys ORDER BY kind, key_hash, record_id');
    const written = await keys();
    await services.transactions.run(async (tx) => {
      await tx.query('DELETE FROM duplicate_keys');
      await tx.query('DELETE FROM search_terms');
      await queueForSearch(tx, services.database, 'leads', [{ firstId: ids[0], lastId: ids[1] }]);
    });
    expect(await groups(admin)).toEqual([]);
    while (await services.transactions.run((tx) => indexSome(tx, services.database, 1)));
    expect(await keys()).toEqual(written);
    expect(await groups(admin)).toEqual([['name-company', ids, 2]]);
  });

  it('of customers are customers', async () => {
    const lead = await make({ name: 'Ada Example', company: 'Acme' });
    await services.get(LeadsConvertService).convert(manager, lead, {});
    expect(await groups(manager)).toEqual([]);
  });
});
