import type { Role } from '@muster/core/permissions';
import { Owned, Person, reaches, Scope } from './oracle';
import { Population, SEATS, SOURCES, TAGS, TIERS } from './population';
import type { Random } from './random';
import type { World } from './world';

/** What a list is known to hold, by the property names of its answers. */
export type Fact = Record<string, unknown> & { id: number };

/** A filter of a list: the parameter, a value for it, and which facts have it. */
interface Filter {
  name: string;
  value: string;
  holds: (fact: Fact, caller: Person) => boolean;
}

/** A list of the API: who may read it in which scope, and what is in it. */
export interface Surface {
  path: string;
  grant: Record<Role, Scope | 403>;
  facts: Fact[];
  owned: (fact: Fact) => Owned;
  /** Instead of `owned`, where a list has rules of its own. */
  sees?: (caller: Person, scope: Scope, fact: Fact) => boolean;
  filters: ((random: Random) => Filter)[];
  /** What the answers say beside the ids, and depends on who asks. */
  told?: (caller: Person, fact: Fact) => Record<string, unknown>;
  /** By the name that clients use. */
  sorts: Record<string, (fact: Fact) => string | Date>;
  defaultSort: string;
  /** Whether single records can be read under the same path. */
  single: boolean;
}

const SCOPED = { admin: 'all', manager: 'team', agent: 'own' } as const;
const MANAGED = { admin: 'all', manager: 'team', agent: 403 } as const;
const ADMINS = { admin: 'all', manager: 403, agent: 403 } as const;

export const visibleOf = (surface: Surface, caller: Person, people: Map<number, Person>): Fact[] | 403 => {
  const scope = surface.grant[caller.role];
  if (scope === 403) return 403;
  const sees = surface.sees ?? ((who, reach, fact) => reaches(who, reach, surface.owned(fact), people));
  return surface.facts.filter((fact) => sees(caller, scope, fact));
};

const equals =
  (name: string, values: readonly unknown[], property = name) =>
  (random: Random): Filter => {
    const value = random.pick(values);
    return { name, value: String(value), holds: (fact) => fact[property] === value };
  };

/** A stretch of time from, or to, a day or a moment. */
const since =
  (name: string, property: string, isStart: boolean) =>
  (random: Random): Filter => {
    const day = `2026-01-0${1 + random.below(5)}`;
    const whole = random.chance(0.5);
    const value = whole ? day : `${day}T00:${String(10 + random.below(20))}:00.000Z`;
    const [first, last] = whole ? [`${day}T00:00:00.000Z`, `${day}T23:59:59.999Z`] : [value, value];
    const at = (fact: Fact) => (fact[property] as Date).toISOString();
    return { name, value, holds: (fact) => (isStart ? at(fact) >= first : at(fact) <= last) };
  };

/** Small letters without marks, as people type who have no others. */
const plain = (text: string) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().replaceAll('æ', 'ae');

/** Begins of words of names and companies and of pieces of e-mails, all of them; or a phone number, its begin or its end. */
const search =
  (nameField: string) =>
  (random: Random): Filter => {
    if (random.chance(0.3)) {
      const value = random.pick(['+1 201 555-00', '(201) 555-01', '555-0123', '5550042']);
      const digits = value.replace(/\D/g, '');
      const isOf = (phone: string) =>
        phone.startsWith(`+${digits}`) || phone.startsWith(`+1${digits}`) || phone.endsWith(digits);
      return { name: 'q', value, holds: ({ phone }) => typeof phone === 'string' && isOf(phone) };
    }
    const one = ['ada', 'GRACE', 'Samp', 'émile', 'Emil', 'ÆGIR', 'aeg', 'öztest', 'acme', 'sons', 'mail1', 'two@'];
    const words = [
      random.pick(one),
      ...(random.chance(0.3) ? [random.pick(['example', 'made', 'glob', 'umbrella'])] : []),
    ];
    const holds = (fact: Fact) => {
      const texts = [fact[nameField], fact.company, fact.email].filter((text) => typeof text === 'string');
      const pieces = texts.flatMap((text) => plain(text).split(/(?<=@)|[^a-z0-9@]+/));
      return words.every((word) => pieces.some((piece) => piece.startsWith(plain(word))));
    };
    return { name: 'q', value: words.join(' '), holds };
  };

const tag = (random: Random): Filter => {
  const value = random.pick(TAGS);
  return { name: 'tag', value, holds: (fact) => (fact.tags as string[]).includes(value) };
};

/** A group that the caller may not see lists nothing. */
const inGroup =
  (noun: 'leads' | 'customers', groups: Population['groups']) =>
  (random: Random): Filter => {
    const group = random.pick(groups);
    const isSeen = ({ role, teamId }: Person) => role !== 'manager' || group.teamId === null || group.teamId === teamId;
    return {
      ...{ name: 'groupId', value: String(group.id) },
      holds: ({ id }, caller) => isSeen(caller) && group[noun].includes(id),
    };
  };

/** Custom fields: an option in any case, none, and ends of a range. */
const ofField = (random: Random): Filter => {
  const tier = random.pick(['', ...TIERS]);
  const seats = random.below(SEATS);
  const held = (fact: Fact) => fact.customFields as { tier?: string; seats?: number };
  return random.pick<Filter>([
    {
      ...{ name: 'cf.tier', value: random.pick([tier, tier.toUpperCase()]) },
      holds: (fact) => (held(fact).tier ?? '') === tier,
    },
    { name: 'cf.seats', value: String(seats), holds: (fact) => held(fact).seats === seats },
    { name: 'cf.seats.from', value: String(seats), holds: (fact) => (held(fact).seats ?? -1) >= seats },
    { name: 'cf.seats.to', value: String(seats), holds: (fact) => (held(fact).seats ?? SEATS) <= seats },
  ]);
};

/** @param people whose ids are asked for */
function contacts(path: string, nameField: string, assignee: string, population: Population, facts: Fact[]): Surface {
  const { people, imports } = population;
  const time = (property: string) => (fact: Fact) => fact[property] as Date;
  return {
    ...{ path, facts, grant: SCOPED, single: true, defaultSort: '-createdAt' },
    owned: (fact) => ({ assignee: fact[assignee] as number | null, creator: fact.createdBy as number | null }),
    filters: [
      ...[equals(assignee, [...people.keys()]), equals('importId', ids(imports), 'originImportId'), tag],
      ...[search(nameField), search(nameField), since('createdFrom', 'createdAt', true)],
      ...[since('createdTo', 'createdAt', false), ofField, ofField],
      inGroup(path === '/leads' ? 'leads' : 'customers', population.groups),
    ],
    sorts: { createdAt: time('createdAt'), updatedAt: time('updatedAt'), name: (fact) => fact[nameField] as string },
  };
}

const ids = (records: { id: number }[]) => records.map(({ id }) => id);

/** Every list that random queries go to. What requests have put into the store meanwhile is read from there. */
export async function surfacesOf(world: World, population: Population): Promise<Surface[]> {
  const { people, teams, imports, groups } = population;
  const leads = contacts('/leads', 'name', 'assignedTo', population, population.leads.map(fact));
  leads.filters.push(equals('status', ['new', 'contacted', 'lost']), equals('source', SOURCES));
  const customers = contacts('/customers', 'fullName', 'ownerId', population, population.customers.map(fact));
  customers.filters.push(equals('status', ['active', 'inactive', 'blocked']));
  const created = { createdAt: (fact: Fact) => fact.createdAt as Date };
  const works = (path: string, single: boolean): Surface => ({
    ...{ path, single, grant: MANAGED, facts: imports.map(fact), sorts: created, defaultSort: '-createdAt' },
    owned: (each) => ({ creator: each.createdBy as number }),
    filters: [equals('status', ['completed', 'cancelled']), equals('target', ['leads', 'customers'])],
  });
  const ofTheTeam = (property: string) => (caller: Person, scope: Scope, each: Fact) =>
    scope === 'all' || each[property] === caller.teamId;
  const nobody = () => ({ creator: null });
  const named = { ...created, name: (each: Fact) => each.name as string };
  /** The records of a group that a caller sees, by noun. */
  const held = (caller: Person, { leads: leadIds, customers: customerIds }: Fact) => {
    const [seenLeads, seenCustomers] = [leads, customers].map(
      (noun) => new Set(ids(visibleOf(noun, caller, people) as Fact[])),
    );
    return {
      leadCount: (leadIds as number[]).filter((id) => seenLeads.has(id)).length,
      customerCount: (customerIds as number[]).filter((id) => seenCustomers.has(id)).length,
    };
  };
  return [
    ...[leads, customers, works('/imports', true), works('/csv/logs', false)],
    {
      ...{ path: '/groups', single: true, grant: SCOPED, owned: nobody, facts: groups.map(fact), told: held },
      sees: (caller, scope, each) => {
        if (scope !== 'own') return each.teamId === null || ofTheTeam('teamId')(caller, scope, each);
        const { leadCount, customerCount } = held(caller, each);
        return leadCount + customerCount > 0;
      },
      ...{ filters: [], sorts: { ...created, name: (each) => each.nameKey as string }, defaultSort: '-createdAt' },
    },
    {
      ...{ path: '/users', single: true, grant: MANAGED, owned: nobody, sees: ofTheTeam('teamId') },
      facts: await stored(world, 'users WHERE deleted_at IS NULL'),
      filters: [equals('role', ['admin', 'manager', 'agent']), equals('teamId', teams)],
      ...{ sorts: named, defaultSort: '-createdAt' },
    },
    {
      ...{ path: '/teams', single: true, grant: MANAGED, owned: nobody, sees: ofTheTeam('id') },
      ...{ facts: await stored(world, 'teams'), filters: [], sorts: named, defaultSort: '-createdAt' },
    },
    {
      ...{ path: '/audit-log', single: true, grant: ADMINS, owned: nobody, facts: await stored(world, 'audit_log') },
      filters: [
        ...[equals('actorId', [...people.keys()]), equals('subjectType', ['lead', 'customer', 'user'])],
        ...[equals('action', ['lead.created', 'customer.deleted', 'user.updated']), equals('subjectId', [1, 2, 3])],
        ...[since('from', 'occurredAt', true), since('to', 'occurredAt', false)],
      ],
      ...{ sorts: { occurredAt: (each) => each.occurredAt as Date }, defaultSort: '-occurredAt' },
    },
  ];
}

const fact = (record: object): Fact => record as Fact;

/** The rows of a table as facts: ids are numbers, times are times. */
async function stored(world: World, from: string): Promise<Fact[]> {
  const rows = await world.query<Record<string, unknown>>(`SELECT * FROM ${from}`);
  return rows.map((row) => {
    const entries = Object.entries(row).map(([column, value]) => {
      const property = column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      if (value === null) return [property, null];
      if (/(^i|I)d$/.test(property)) return [property, Number(value)];
      return [property, /At$/.test(property) ? timeOf(value) : value];
    });
    return Object.fromEntries(entries) as Fact;
  });
}

/** Stores without a time of their own keep it as text in UTC. */
const timeOf = (value: unknown) => (value instanceof Date ? value : new Date(`${String(value).replace(' ', 'T')}Z`));
