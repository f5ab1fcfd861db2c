import { writeFile } from 'node:fs/promises';
import { hash } from '@node-rs/argon2';
import type { Role } from '@muster/core/permissions';
import type { AuditEntry } from '@muster/features/audit/audit.entity';
import type { Import, ImportDryRun, LedgerEntry } from '@muster/features/imports/imports.entity';
import { CallerName, Expectation, KEYS, PEOPLE, PersonName, ROUTES, SIGNED_OUT, Subject } from './expectations';
import type { Owned, Person } from './oracle';
import { customerRow, importRow, leadRow, stage, StagedFile } from './records';
import type { World } from './world';

export const PASSWORD = 'correct horse battery';
/** Argon2id at its cheapest: the matrix asks who may, not how well passwords are kept. */
const CHEAP = { memoryCost: 8, timeCost: 1 };

/** Who calls in the matrix, and their colleagues who never do. */
type Name = PersonName | 'teammate' | 'secondManager' | 'moved' | 'foreigner' | 'foreignManager';
const COLLEAGUES: Record<Exclude<Name, PersonName>, Role> = {
  teammate: 'agent',
  secondManager: 'manager',
  moved: 'agent',
  foreigner: 'agent',
  foreignManager: 'manager',
};
const OF_THE_OTHER_TEAM: Name[] = ['stranger', 'otherManager', 'moved', 'foreigner', 'foreignManager'];

/** Who sends a call, and with what. */
export interface Credentials {
  person: Person;
  token: string | null;
}

/** A file that has been uploaded, in the file store. */
const UPLOADED = { key: 'uploads/matrix', text: 'Name,Email\nAda,ada@example.com\n' };

/** The people of the matrix, in two teams, and the records that they call for. */
export class Cast {
  private readonly signedIn = new Map<string, Credentials>();
  /** What {@link make} has made and {@link clear} has not removed, by table. */
  private readonly made = new Map<string, number[]>();

  private constructor(
    private readonly world: World,
    private readonly people: Record<Name, Person>,
    private readonly teams: { own: number; foreign: number },
    private readonly file: StagedFile,
    private readonly passwordHash: string,
  ) {}

  static async assemble(world: World): Promise<Cast> {
    const passwordHash = await hash(PASSWORD, CHEAP);
    const teams = { own: await world.addTeam('North'), foreign: await world.addTeam('South') };
    const people = {} as Record<Name, Person>;
    for (const [name, role] of Object.entries({ ...PEOPLE, ...COLLEAGUES }) as [Name, Role][]) {
      const team = OF_THE_OTHER_TEAM.includes(name) ? teams.foreign : teams.own;
      people[name] = await world.addPerson(role, team, { passwordHash });
    }
    const file = await stage(
      world,
      'staged/matrix.parquet',
      ['Name', 'Email'],
      [
        ['Ada', 'ada@example.com'],
        ['Bob', 'nobody'],
      ],
    );
    await world.store(UPLOADED.key, (path) => writeFile(path, UPLOADED.text));
    return new Cast(world, people, teams, file, passwordHash);
  }

  /** Who calls the route under this name: the usual one, or one that nobody has used where the route uses them up. */
  async caller(name: CallerName, route: Expectation): Promise<Credentials> {
    const { permission, also, spends: fresh = false } = route;
    const key = KEYS.includes(name as 'keyOnly') ? [name, permission, also].join(' ') : name;
    let credentials = fresh ? undefined : this.signedIn.get(key);
    if (!credentials) {
      credentials = await this.signIn(name, route, fresh);
      if (!fresh) this.signedIn.set(key, credentials);
    }
    return credentials;
  }

  private async signIn(name: CallerName, route: Expectation, fresh: boolean): Promise<Credentials> {
    const { world, people, passwordHash } = this;
    const usual = name in PEOPLE ? people[name as PersonName] : people.admin;
    const isApart = name in SIGNED_OUT || KEYS.includes(name as 'keyOnly');
    const person =
      fresh || isApart
        ? await world.addPerson(usual.role, usual.teamId!, { passwordHash, active: name !== 'suspended' })
        : usual;
    const token = await this.tokenOf(name, person, route);
    return { person, token };
  }

  private async tokenOf(name: CallerName, { id }: Person, route: Expectation): Promise<string | null> {
    switch (name) {
      case 'anonymous':
        return null;
      case 'keyWithout':
      case 'keyOnly': {
        const all = [...new Set(Object.values(ROUTES).flatMap(({ permission }) => permission ?? []))];
        const { permission, also = [] } = route;
        const held = name === 'keyOnly' ? [permission!, ...also] : all.filter((each) => each !== permission);
        return (await this.world.addKey(id, held)).token;
      }
      case 'revokedKey':
        return (await this.world.addKey(id, ['leads:read'], new Date())).token;
      case 'revoked':
        return (await this.world.signIn(id, { revokedAt: new Date() })).token;
      default:
        return (await this.world.signIn(id, {}, name === 'expired')).token;
    }
  }

  /** Everyone who was ever there, by id. */
  async everyone(): Promise<Map<number, Person>> {
    const rows = await this.world.query<{ id: number; role: Role; team_id: number | null }>(
      'SELECT id, role, team_id FROM users',
    );
    const people = rows.map(({ id, role, team_id }) => ({ id: Number(id), role, teamId: Number(team_id) }));
    return new Map(people.map((person) => [person.id, person]));
  }

  /** The e-mail of somebody who never calls. */
  get email(): string {
    return `person${this.people.teammate.id}@example.com`;
  }

  /** Whom records may be assigned to, or not. */
  async assignees(caller: Person): Promise<Record<string, number>> {
    const { teammate, foreigner } = this.people;
    const deleted = await this.world.addPerson('agent', this.teams.own, {
      active: false,
      deletedAt: new Date(),
      emailKey: null,
    });
    const suspended = await this.world.addPerson('agent', this.teams.own, { active: false });
    return {
      ...{ oneself: caller.id, teammate: teammate.id, foreigner: foreigner.id },
      ...{ absent: this.world.id(), deleted: deleted.id, suspended: suspended.id },
    };
  }

  /** Theirs too, of a session of its own. */
  refreshToken(): Promise<string> {
    return this.world.addRefreshToken(this.people.teammate.id);
  }

  /** Makes targets, each of its kind and for its caller, in one go. @returns their ids */
  async make(subject: Subject, wanted: { kind: string; caller: Person }[]): Promise<number[]> {
    const rows = new Map<string, object[]>();
    const ids: number[] = [];
    for (const { kind, caller } of wanted) {
      const { id, inserts } = this.target(subject, kind, caller);
      ids.push(id);
      for (const [table, row] of inserts) rows.set(table, [...(rows.get(table) ?? []), row]);
    }
    for (const [table, of] of rows) {
      await this.world.insert(table, of);
      if (table !== 'audit_log') {
        this.made.set(table, [
          ...(this.made.get(table) ?? []),
          ...of.flatMap((row) => ('id' in row ? Number(row.id) : [])),
        ]);
      }
    }
    return ids;
  }

  /** Makes a record that the admin and both managers see. @returns its id */
  async everyones(subject: 'lead' | 'customer'): Promise<number> {
    return (await this.make(subject, [{ kind: 'adminImported', caller: this.people.admin }]))[0];
  }

  /** Removes the targets again: they would fill the lists, and reach the limits that some nouns have. */
  async clear(): Promise<void> {
    for (const [table, ids] of this.made) await this.world.remove(table, ids);
    this.made.clear();
  }

  private target(subject: Subject, kind: string, caller: Person): { id: number; inserts: [string, object][] } {
    const { world } = this;
    const id = world.id();
    const made = (...inserts: [string, object][]) => ({ id, inserts });
    if (kind === 'absent') return made();
    switch (subject) {
      case 'lead': {
        const { assignee, creator, originImportId } = this.contact(kind);
        return made(['leads', leadRow(world, { id, assignedTo: assignee, createdBy: creator, originImportId })]);
      }
      case 'customer': {
        const { assignee, creator, originImportId } = this.contact(kind);
        return made(['customers', customerRow(world, { id, ownerId: assignee, createdBy: creator, originImportId })]);
      }
      case 'leadMerge':
      case 'customerMerge':
        return made(...this.merge(subject === 'leadMerge' ? 'lead' : 'customer', kind, id));
      case 'import':
      case 'openImport':
        return made(...this.import(kind, id, subject === 'import'));
      case 'awaitingImport':
        return made(...this.awaitingImport(kind, id));
      case 'savedMapping': {
        const names = { name: `Mapping ${id}`, nameKey: `mapping ${id}`, headerHash: 'a'.repeat(64) };
        const mapping = { Name: 'name', Email: 'email' };
        const origin = { createdBy: this.makers()[kind].id, createdAt: world.time() };
        return made(['import_mappings', { id, ...names, target: 'leads', mapping, ...origin }]);
      }
      case 'group':
      case 'changeableGroup':
        return made(...this.group(kind, id));
      case 'leadField':
      case 'customerField': {
        const noun = (subject === 'leadField') === (kind === 'any') ? 'leads' : 'customers';
        const at = world.time();
        const none = { defaultValue: null, options: null, validation: null, description: null, changedBy: null };
        const states = { required: false, filterable: false, state: 'ready', doneTo: 0 };
        const field = { id, noun, fieldKey: `f${id}`, label: `Field ${id}`, type: 'text', ...none, ...states };
        return made(['custom_fields', { ...field, createdAt: at, updatedAt: at, version: 1 }]);
      }
      case 'user':
        return made(['users', this.user(kind, id)]);
      case 'team':
      case 'emptyTeam': {
        if (kind !== 'empty') return { id: this.teams[kind as 'own' | 'foreign'], inserts: [] };
        const at = world.time();
        return made(['teams', { id, name: `Team ${id}`, isDefault: false, createdAt: at, updatedAt: at, version: 1 }]);
      }
      case 'session': {
        const userId = kind === 'own' ? caller.id : this.people.teammate.id;
        const at = new Date();
        const expiresAt = new Date(at.getTime() + 3_600_000);
        return made([
          'sessions',
          { id, userId, device: null, createdAt: at, lastUsedAt: at, expiresAt, revokedAt: null },
        ]);
      }
      case 'apiKey': {
        const userId = kind === 'own' ? caller.id : this.people.teammate.id;
        const key = { prefix: 'muster_12345678', keyHash: String(id).padStart(64, '0'), permissions: ['leads:read'] };
        const times = { createdAt: world.time(), expiresAt: null, lastUsedAt: null, revokedAt: null };
        return made(['api_keys', { id, userId, name: `Key ${id}`, ...key, ...times, version: 1 }]);
      }
      case 'auditEntry': {
        const entry: AuditEntry = {
          ...{ id, occurredAt: world.time(), actorId: caller.id, apiKeyId: null, action: 'lead.updated' },
          ...{ subjectType: 'lead', subjectId: 1, oldValues: null, newValues: null, requestId: null, address: null },
        };
        return made(['audit_log', entry]);
      }
    }
  }

  /** The target of the merge is there, the source is not. */
  private merge(subject: 'lead' | 'customer', kind: string, id: number): [string, object][] {
    const { people } = this;
    const [target, source] = [people.admin, people.admin].map(
      (caller) => this.target(subject, kind, caller).inserts[0] as [string, { id: number }],
    );
    const merge = {
      ...{ id, noun: target[0], targetId: target[1].id, sourceId: source[1].id, moved: {} },
      ...{ targetBefore: target[1], sourceBefore: source[1], targetAfter: target[1] },
      ...{ mergedBy: people.admin.id, mergedAt: this.world.time(), undoneBy: null, undoneAt: null },
    };
    return [target, ['contact_merges', merge]];
  }

  private contact(kind: string): Required<Owned> & { originImportId: number | null } {
    const { owner, teammate, manager, foreigner, foreignManager, admin } = this.people;
    const of = (assignee: Person | null, creator: Person | null, originImportId: number | null = null) => ({
      ...{ assignee: assignee?.id ?? null, creator: creator?.id ?? null, originImportId },
    });
    switch (kind) {
      case 'own':
        return of(owner, admin);
      case 'ownMade':
        return of(null, owner);
      case 'ownGivenAway':
        return of(foreigner, owner);
      case 'team':
        return of(teammate, admin);
      case 'teamMade':
        return of(null, teammate);
      case 'teamTaken':
        return of(teammate, foreigner);
      case 'managerMade':
        return of(null, manager);
      case 'adminImported':
        return of(null, admin, 1);
      case 'adminGiven':
        return of(foreigner, admin);
      case 'foreign':
        return of(foreigner, foreignManager);
      case 'foreignMade':
        return of(null, foreigner);
      case 'programMade':
        return of(null, null);
      default:
        throw new Error(`There is no target "${kind}".`);
    }
  }

  /** Who made the import, or the saved mapping, of each kind. */
  private makers(): Record<string, Person> {
    const { manager, secondManager, owner, admin, foreignManager } = this.people;
    return { own: manager, team: secondManager, former: owner, admins: admin, foreign: foreignManager };
  }

  private import(kind: string, id: number, completed: boolean): [string, object][] {
    const open: Partial<Import> = { status: 'ready', recordBase: null, startedAt: null, finishedAt: null };
    const values = completed ? {} : { ...open, mapping: { Name: 'name', Email: 'email' } };
    const work = importRow(this.world, this.file, { id, createdBy: this.makers()[kind].id, ...values });
    const error = { field: 'email', code: 'email-invalid', message: 'is not an e-mail address' };
    const rows: LedgerEntry[] = [
      { importId: id, firstRow: 1, lastRow: 1, outcome: 'created', recordId: 1, errors: null },
      { importId: id, firstRow: 2, lastRow: 2, outcome: 'rejected', recordId: null, errors: [error] },
    ];
    if (completed) return [['imports', work], ...rows.map((row): [string, object] => ['import_ledger', row])];
    const plan: Omit<ImportDryRun, 'id'> = {
      ...{ importId: id, status: 'ready', options: work.options, excluded: [], mappingHash: '-', optionsHash: '-' },
      result: {
        counts: { created: 0, updated: 0, unchanged: 0, skipped: 0, excluded: 0, rejected: 2 },
        samples: [],
        rejected: [],
      },
      ...{ error: null, attempts: 1, token: 1, leasedUntil: null, requestId: null, createdBy: work.createdBy },
      ...{ createdAt: work.createdAt, finishedAt: work.createdAt },
    };
    return [
      ['imports', work],
      ['import_plans', plan],
    ];
  }

  private awaitingImport(kind: string, id: number): [string, object][] {
    const file = { fileKey: UPLOADED.key, fileSize: UPLOADED.text.length, fileHash: null };
    const open = {
      status: 'awaiting_upload',
      stagedKey: null,
      analysis: null,
      totalRows: null,
      recordBase: null,
    } as const;
    const times = { mapping: null, autoStart: false, startedAt: null, finishedAt: null };
    const values = { id, createdBy: this.makers()[kind].id, ...file, ...open, ...times };
    const expiresAt = new Date(Date.now() + 3_600_000);
    const upload = { ...{ id, key: UPLOADED.key, uploadId: null, opened: true, partSize: file.fileSize }, expiresAt };
    return [
      ['imports', importRow(this.world, this.file, values)],
      ['import_uploads', { ...upload, sha256: null, completedAt: null }],
    ];
  }

  private group(kind: string, id: number): [string, object][] {
    const { admin, owner } = this.people;
    const at = this.world.time();
    const teamId = kind === 'everyones' ? null : kind === 'foreign' ? this.teams.foreign : this.teams.own;
    const names = { name: `Group ${id}`, nameKey: `group ${id}`, description: null };
    const group = { id, ...names, teamId, createdBy: admin.id, createdAt: at, updatedAt: at, version: 1 };
    if (kind !== 'holding') return [['contact_groups', group]];
    const held = leadRow(this.world, { assignedTo: owner.id });
    const member = { groupId: id, noun: 'leads', recordId: held.id, addedBy: admin.id, addedAt: at };
    return [
      ['contact_groups', group],
      ['leads', held],
      ['group_members', member],
    ];
  }

  private user(kind: string, id: number): object {
    const { own, foreign } = this.teams;
    const at = this.world.time();
    const email = `person${id}@example.com`;
    const gone = kind === 'deleted';
    return {
      ...{ id, name: `Person ${id}`, email, emailKey: gone ? null : email, passwordHash: '-', role: 'agent' },
      ...{ teamId: kind === 'team' || gone ? own : foreign, phone: null, active: !gone },
      ...{ createdAt: at, updatedAt: at, deletedAt: gone ? at : null, version: 1 },
    };
  }
}
