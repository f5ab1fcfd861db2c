import type { Role } from '@muster/core/permissions';
import { sortKeyOf } from '@muster/core/contact/custom-fields-sort-key';
import type { AuditEntry } from '@muster/features/audit/audit.entity';
import { checkCounts } from '@muster/features/contacts/lists/contacts.lists.service';
import { CONTACT_NOUNS, ContactNoun } from '@muster/features/contacts/memberships/contacts.memberships.service';
import { indexSome } from '@muster/features/contacts/search/contacts.search.service';
import type { CustomField } from '@muster/features/custom-fields/custom-fields.entity';
import type { Customer } from '@muster/features/customers/customers.entity';
import type { Group } from '@muster/features/groups/groups.entity';
import type { Import, LedgerEntry, Outcome } from '@muster/features/imports/imports.entity';
import type { Lead } from '@muster/features/leads/leads.entity';
import type { Person } from './oracle';
import type { Random } from './random';
import { customerRow, importRow, leadRow, stage, StagedFile } from './records';
import type { World } from './world';

const TEAMS = ['East', 'North', 'South'];
const RECORDS = 500;
const IMPORTS = 60;
const GROUPS = 40;
const AUDIT_ENTRIES = 200;
/** Few, so that many share one, and none falls between the words of a search by chance. */
const FIRST = ['Ada', 'Grace', 'Alan', 'Edsger', 'Émile', 'Barbara', 'Ægir'];
const LAST = ['Example', 'Sample', 'Invented', 'Öztest', 'Madeup'];
const COMPANIES = ['Acme', 'Globex', 'Initech', 'Umbrella & Sons', null];
export const SOURCES = ['web', 'fair', 'referral'];
export const TAGS = ['vip', 'vip2', 'cold', 'a "quoted" tag', 'later'];
export const TIERS = ['Gold', 'Iron', 'Tin'];
/** Seats are fewer. */
export const SEATS = 6;
const MINUTE = 60_000;

/** One row of a ledger, and whom its record id names. */
export interface LedgerRow {
  row: number;
  outcome: Outcome;
  recordId: number | null;
  errors: { field: string; code: string; message: string }[];
}

/** An import of the population: its row, its ledger, and the file it read. */
export interface KnownImport extends Import {
  ledger: LedgerRow[];
  file: StagedFile;
}

/** A group, and the ids of the records in it. */
export interface KnownGroup extends Group {
  leads: number[];
  customers: number[];
}

/** Who and what is in the store, as the test itself put it there. */
export interface Population {
  people: Map<number, Person>;
  /** Those who ask, by what they are called in reports. */
  callers: { name: string; role: string; person: Person; token: string }[];
  teams: number[];
  leads: Lead[];
  customers: Customer[];
  imports: KnownImport[];
  groups: KnownGroup[];
}

/** Fills a store by chance: teams, people who stay and who leave, records of all of them. */
export async function populate(world: World, random: Random): Promise<Population> {
  const teams: number[] = [];
  for (const name of TEAMS) teams.push(await world.addTeam(name));
  const people = new Map<number, Person>();
  const add = async (role: Role, teamId: number): Promise<Person> => {
    const person = await world.addPerson(role, teamId);
    people.set(person.id, person);
    return person;
  };
  const callers: Population['callers'] = [];
  const caller = async (name: string, role: string, person: Person) => {
    callers.push({ name, role, person, token: (await world.signIn(person.id)).token });
  };
  const admin = await add('admin', teams[0]);
  await caller('admin', 'admin', admin);
  await add('admin', teams[1]);
  const leaving: { person: Person; leave: (person: Person) => Promise<void> }[] = [];
  for (const [index, team] of teams.entries()) {
    await caller(`manager of ${TEAMS[index]}`, `manager of ${TEAMS[index]}`, await add('manager', team));
    await add('manager', team);
    for (const nth of [1, 2]) await caller(`agent ${nth} of ${TEAMS[index]}`, 'agents', await add('agent', team));
    await add('agent', team);
    const change = async (person: Person, change: Partial<Person>) => {
      await expectStatus(world.call('PATCH', `/users/${person.id}`, callers[0].token, { json: change }), 200);
      people.set(person.id, { ...person, ...change });
    };
    const elsewhere = teams[(index + 1) % teams.length];
    leaving.push({ person: await add('agent', team), leave: (person) => change(person, { teamId: elsewhere }) });
    leaving.push({ person: await add('manager', team), leave: (person) => change(person, { role: 'agent' }) });
    leaving.push({ person: await add('admin', team), leave: (person) => change(person, { role: 'agent' }) });
    leaving.push({
      person: await add('agent', team),
      leave: (person) => expectStatus(world.call('DELETE', `/users/${person.id}`, callers[0].token), 204),
    });
  }

  const imports = await makeImports(world, random, [...people.values()]);
  const { leads, customers } = makeContacts(world, random, [...people.keys()], imports);
  for (const work of imports) work.ledger = makeLedger(random, work, work.target === 'leads' ? leads : customers);
  await world.insert<Lead>('leads', leads);
  await world.insert<Customer>('customers', customers);
  await addFields(world, { leads, customers });
  // As an import leaves them: they are counted, and the terms and tags of most are still to be written.
  await world.insert('search_backlog', [backlogOf('l', leads), backlogOf('c', customers)]);
  for (let turn = 0; turn < 2; turn++) {
    await world.transactions.run((tx) => indexSome(tx, world.database, RECORDS / 4));
  }
  for (const noun of CONTACT_NOUNS) await checkCounts(world.database, world.transactions, noun);
  await world.insert<Import>(
    'imports',
    imports.map(({ ledger: _ledger, file: _file, ...row }) => row),
  );
  await world.insert<LedgerEntry>('import_ledger', imports.flatMap(entriesOf));
  const groups = makeGroups(world, random, admin.id, [...teams, null], leads, customers);
  await world.insert<Group>(
    'contact_groups',
    groups.map(({ leads: _leads, customers: _customers, ...row }) => row),
  );
  await world.insert('group_members', groups.flatMap(membersOf));
  await world.insert<AuditEntry>('audit_log', makeAudit(world, random, [...people.keys()]));
  // Only now do some leave, by the API: what they made and hold stays behind.
  for (const { person, leave } of leaving) await leave(person);
  return { people, callers, teams, leads, customers, imports, groups };
}

/** Two custom fields of each noun, and their index. */
async function addFields(world: World, records: Record<ContactNoun, (Lead | Customer)[]>): Promise<void> {
  for (const noun of CONTACT_NOUNS) {
    for (const [fieldKey, type] of [['tier', 'list'] as const, ['seats', 'number'] as const]) {
      const field: CustomField = {
        ...{ id: world.id(), noun, fieldKey, label: fieldKey, type, required: false, defaultValue: null },
        ...{ options: type === 'list' ? TIERS : null, validation: null, filterable: true, description: null },
        ...{ state: 'ready', doneTo: 0, changedBy: null, changedByKey: null, changedIn: null },
        ...{ createdAt: world.time(), updatedAt: world.time(), version: 1 },
      };
      await world.insert<CustomField>('custom_fields', [field]);
      const entries = records[noun].map(({ id: recordId, customFields }) => {
        const value = customFields[fieldKey] ?? null;
        const sortKey = value === null ? '' : sortKeyOf(type, value)!;
        const numberValue = typeof value === 'number' ? value : null;
        return { recordId, fieldId: field.id, ordinal: 0, sortKey, numberValue };
      });
      await world.insert('custom_field_values', entries);
    }
  }
  await world.transactions.run((tx) => tx.query('UPDATE custom_field_sets SET revision = revision + 1'));
}

function backlogOf(noun: 'l' | 'c', records: { id: number }[]) {
  const ids = records.map(({ id }) => id);
  return { noun, firstId: Math.min(...ids), lastId: Math.max(...ids), addedAt: new Date() };
}

async function expectStatus(answer: Promise<{ status: number; text: string }>, wanted: number): Promise<void> {
  const { status, text } = await answer;
  if (status !== wanted) throw new Error(`${status} instead of ${wanted}: ${text}`);
}

/** Times that many share, within some days. */
const someTime = (random: Random) => new Date(Date.UTC(2026, 0, 1 + random.below(5)) + random.below(40) * MINUTE);

function makeContacts(world: World, random: Random, people: number[], imports: KnownImport[]) {
  const common = (n: number, origins: KnownImport[]) => {
    const origin = random.chance(0.3) ? random.pick(origins) : null;
    const named = random.chance(0.95);
    return {
      assignee: random.chance(0.5) ? random.pick(people) : null,
      name: `${random.pick(FIRST)} ${random.pick(LAST)}`,
      values: {
        email: named || n % 2 ? `mail${n}.${random.pick(['one', 'two'])}@example.com` : null,
        phone: !named || random.chance(0.5) ? `+1201555${String(n).padStart(4, '0')}` : null,
        company: random.pick(COMPANIES),
        tags: TAGS.filter(() => random.chance(0.2)),
        customFields: {
          ...(random.chance(0.7) ? { tier: random.pick(TIERS) } : {}),
          ...(random.chance(0.7) ? { seats: random.below(SEATS) } : {}),
        },
        createdBy: origin?.createdBy ?? (random.chance(0.95) ? random.pick(people) : null),
        originImportId: origin?.id ?? null,
        originRow: origin ? 1 : null,
        createdAt: someTime(random),
        updatedAt: someTime(random),
      },
    };
  };
  const leads: Lead[] = [];
  const customers: Customer[] = [];
  const of = (target: Import['target']) => imports.filter((work) => work.target === target);
  for (let n = 1; n <= RECORDS; n++) {
    const lead = common(n, of('leads'));
    const status = random.pick(['new', 'contacted', 'lost'] as const);
    const source = random.pick(SOURCES);
    leads.push(leadRow(world, { ...lead.values, name: lead.name, assignedTo: lead.assignee, status, source }));
    const customer = common(n, of('customers'));
    const standing = random.pick(['active', 'inactive', 'blocked'] as const);
    const { assignee: ownerId, name: fullName, values } = customer;
    customers.push(customerRow(world, { ...values, fullName, ownerId, status: standing }));
  }
  return { leads, customers };
}

async function makeImports(world: World, random: Random, people: Person[]): Promise<KnownImport[]> {
  const files: StagedFile[] = [];
  for (const size of [1, 7, 30]) {
    const rows = Array.from({ length: size }, (_, row) => [
      `Person ${row + 1} of ${size}`,
      `row${row + 1}@example.com`,
    ]);
    files.push(await stage(world, `staged/scope-${size}.parquet`, ['Name', 'Email'], rows));
  }
  const makers = people.filter(({ role }) => role !== 'agent');
  return Array.from({ length: IMPORTS }, () => {
    const file = random.pick(files);
    const row = importRow(world, file, {
      ...{ createdBy: random.pick(makers).id, createdAt: someTime(random) },
      target: random.pick(['leads', 'customers'] as const),
      status: random.pick(['completed', 'completed', 'cancelled'] as const),
    });
    return { ...row, file, ledger: [] };
  });
}

const ERRORS = [{ field: 'email', code: 'email-invalid', message: 'is not an e-mail address' }];
const TAKEN = [{ field: 'email', code: 'duplicate-existing', message: 'there is a record with this e-mail already' }];

/** Outcomes by chance: rows that were skipped met a record, whoever's it is. */
function makeLedger(random: Random, work: KnownImport, records: { id: number }[]): LedgerRow[] {
  return work.file.rows.map((_, index): LedgerRow => {
    const row = index + 1;
    switch (random.pick(['created', 'skipped', 'skipped', 'rejected'] as const)) {
      case 'created':
        return { row, outcome: 'created', recordId: 1_000 + row, errors: [] };
      case 'skipped':
        return { row, outcome: 'skipped', recordId: random.pick(records).id, errors: TAKEN };
      case 'rejected':
        return { row, outcome: 'rejected', recordId: null, errors: ERRORS };
    }
  });
}

/** Neighbouring rows that fared alike are one entry. */
function entriesOf({ id, ledger }: KnownImport): LedgerEntry[] {
  const entries: LedgerEntry[] = [];
  for (const { row, outcome, recordId, errors } of ledger) {
    const last = entries.at(-1);
    const next = last?.recordId == null ? null : last.recordId + row - last.firstRow;
    if (last?.outcome === outcome && next === recordId) last.lastRow = row;
    else {
      const stored = errors.length > 0 ? errors : null;
      entries.push({ importId: id, firstRow: row, lastRow: row, outcome, recordId, errors: stored });
    }
  }
  return entries;
}

function makeGroups(
  world: World,
  random: Random,
  createdBy: number,
  teams: (number | null)[],
  leads: Lead[],
  customers: Customer[],
): KnownGroup[] {
  const some = (records: { id: number }[]) => {
    const share = random.pick([0, 0.01, 0.1]);
    return records.filter(() => random.chance(share)).map(({ id }) => id);
  };
  return Array.from({ length: GROUPS }, () => {
    const id = world.id();
    const createdAt = someTime(random);
    return {
      ...{ id, name: `Group ${id}`, nameKey: `group ${id}`, description: null, teamId: random.pick(teams), createdBy },
      ...{ createdAt, updatedAt: createdAt, version: 1, leads: some(leads), customers: some(customers) },
    };
  });
}

const membersOf = ({ id: groupId, leads, customers, createdBy: addedBy, createdAt: addedAt }: KnownGroup): object[] => [
  ...leads.map((recordId) => ({ groupId, noun: 'leads', recordId, addedBy, addedAt })),
  ...customers.map((recordId) => ({ groupId, noun: 'customers', recordId, addedBy, addedAt })),
];

const makeAudit = (world: World, random: Random, people: number[]): AuditEntry[] =>
  Array.from({ length: AUDIT_ENTRIES }, () => {
    const subjectType = random.pick(['lead', 'customer', 'user']);
    return {
      ...{ id: world.id(), occurredAt: someTime(random), actorId: random.chance(0.9) ? random.pick(people) : null },
      ...{ apiKeyId: null, action: `${subjectType}.${random.pick(['created', 'updated', 'deleted'])}`, subjectType },
      ...{ subjectId: 1 + random.below(5), oldValues: null, newValues: { name: 'x' }, requestId: null, address: null },
    };
  });
