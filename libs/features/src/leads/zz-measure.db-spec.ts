import { Principal } from '@muster/core/principal';
import { openTestServices } from '@muster/testing/services';
import { DuplicateKeys } from '../contacts/contacts.duplicates.repository';
import { LeadMergesService } from './leads.merge.service';
import { LeadsModule } from './leads.module';

it('measures', async () => {
  const N = Number(process.env.N ?? 1_000_000);
  const services = await openTestServices(LeadsModule);
  const team = await services.addTeam();
  const other = await services.addTeam();
  const admin = await services.addUser('admin', other);
  const manager = await services.addUser('manager', team);
  const agent = await services.addUser('agent', team);
  const rest = await services.addUser('agent', other);
  const { database, transactions } = services;
  let s = 1;
  const rnd = (n: number) => ((s = (Math.imul(s, 1664525) + 1013904223) >>> 0), Math.floor((s / 2 ** 32) * n));
  const out: string[] = [];
  let t = Date.now();
  const COLS = ['id','name','email','phone','status','source','company','assigned_to','tags','custom_fields','metadata','do_not_contact','created_by','created_at','updated_at','version'];
  for (let start = 1; start <= N; start += 20_000) {
    await transactions.run(async (tx) => {
      const buffer = database.dialect.bulkBuffer();
      for (let id = start; id < start + 20_000; id++) {
        const who = id % 20_000 === 7 ? agent.userId : id % 50 === 1 ? manager.userId : rest.userId;
        const phone = id % 1000 === 1 && id > 1 ? `+44${2_000_000_000 + id - 1}` : `+1${2_000_000_000 + id}`;
        buffer.add([id, `First${rnd(300)} Last${rnd(1000)}`, `p${id}@example.com`, phone, 'new', 'web', `Company ${rnd(5000)}`, who, '[]', '{}', '{}', 0, rest.userId, '2026-01-01 00:00:00.000', '2026-01-01 00:00:00.000', 1]);
      }
      await database.dialect.bulkInsert(tx.runner, 'leads', COLS, buffer);
    });
  }
  out.push(`leads ${Date.now() - t} ms`);
  t = Date.now();
  const keys = new DuplicateKeys(database);
  for (let start = 1; start <= N; start += 5_000) await transactions.run((tx) => keys.fill(tx, 'leads', start, start + 4_999));
  out.push(`keys ${Date.now() - t} ms`);
  const merges = services.get(LeadMergesService);
  for (const [name, who] of [['admin', admin], ['manager', manager], ['agent', agent]] as [string, Principal][]) {
    const times: number[] = [];
    let cursor: string | undefined;
    let groups = 0;
    do {
      t = performance.now();
      const { data, meta } = await merges.duplicates(who, { limit: 20, cursor });
      times.push(performance.now() - t);
      groups += data.length;
      cursor = meta.nextCursor ?? undefined;
    } while (cursor && times.length < 100);
    const sorted = [...times].sort((a, b) => a - b);
    out.push(`${name}: first ${times[0].toFixed(0)} ms, p50 ${sorted[Math.floor(sorted.length / 2)].toFixed(0)}, max ${sorted.at(-1)!.toFixed(0)} over ${times.length} pages, ${groups} groups, rss ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`);
  }
  process.stderr.write(out.join('\n') + '\n');
  await services.close();
}, 600_000);
