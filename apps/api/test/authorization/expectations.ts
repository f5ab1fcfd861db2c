import type { Permission, Role } from '@muster/core/permissions';

/**
 * Who may do what, for every route of the API: the file to review. A route that is not here fails the test, and so does an entry
 * without a route. To add a route, add a line to {@link ROUTES}; to add a noun, say in {@link TARGETS} whose records there are.
 */

/** The signed-in people who call: two teams, an admin beside them. All but the owner and the managers own nothing. */
export const PEOPLE = {
  owner: 'agent',
  member: 'agent', // of the owner's team
  stranger: 'agent', // of the other team
  manager: 'manager', // of the owner's team
  otherManager: 'manager', // of the other team
  admin: 'admin',
} as const satisfies Record<string, Role>;
export type PersonName = keyof typeof PEOPLE;

/** Those who are not let in, however much the user they name may do (each is an admin): 401, with this code. */
export const SIGNED_OUT = {
  anonymous: 'unauthenticated',
  suspended: 'session-ended',
  revoked: 'session-ended',
  expired: 'token-expired',
  revokedKey: 'api-key-invalid',
} as const;

/** API keys of admins: one with every permission but the route's, one with the route's alone. */
export const KEYS = ['keyWithout', 'keyOnly'] as const;
/** What no key can do, and what every key can. */
export const NEVER_BY_KEY: Permission[] = ['account:write', 'api-keys:read', 'api-keys:write', 'users:write'];
export const ALWAYS_BY_KEY: Permission[] = ['account:read'];

export type CallerName = PersonName | keyof typeof SIGNED_OUT | (typeof KEYS)[number];
export const CALLERS = [...Object.keys(PEOPLE), ...Object.keys(SIGNED_OUT), ...KEYS] as CallerName[];

const ANYONE: PersonName[] = ['owner', 'member', 'stranger', 'manager', 'otherManager', 'admin'];
/** Not there, for nobody: with a foreign record it shares one answer. */
const GONE = 'gone';

/** Leads and customers; `teammate` and `foreigner` are colleagues in the two teams who never call. */
const CONTACT = {
  own: ['owner', 'manager'], // assigned to the owner
  ownMade: ['owner', 'manager'], // made by the owner, nobody's
  ownGivenAway: ['owner', 'otherManager'], // made by the owner, assigned to the foreigner
  team: ['manager'], // assigned to the teammate
  teamMade: ['manager'], // made by the teammate, nobody's
  teamTaken: ['manager'], // made by the foreigner, assigned to the teammate
  managerMade: ['manager'], // made by the manager, nobody's
  adminImported: ['manager', 'otherManager'], // made by an import of the admin, nobody's
  adminGiven: ['otherManager'], // made by the admin, assigned to the foreigner
  foreign: ['otherManager'], // assigned to the foreigner
  foreignMade: ['otherManager'], // made by the foreigner, nobody's
  programMade: [], // made by the program itself, nobody's
  absent: GONE,
} as const;

/** Of two records like those of the same name in {@link CONTACT}. */
const MERGE = { team: ['manager'], foreign: ['otherManager'], absent: GONE } as const;

const IMPORT = {
  own: ['manager'], // made by the manager
  team: ['manager'], // made by another manager of the team
  former: ['manager'], // made by the owner, who was a manager then
  admins: ['manager', 'otherManager'], // made by the admin
  foreign: ['otherManager'], // made by another manager of the other team
  absent: GONE,
} as const;

/** Custom fields are the same for all; `otherNoun` is one of customers where leads are asked for, and the reverse. */
const FIELD = { any: [], otherNoun: GONE, absent: GONE } as const;

const USER = {
  team: ['manager'], // a person of the team
  foreign: ['otherManager'], // a person of the other team
  moved: ['otherManager'], // one who has left the team for the other
  deleted: GONE, // one who was of the team
  absent: GONE,
} as const;

const PERSONAL = { own: ANYONE, foreign: [], absent: GONE } as const; // the caller's own; the teammate's

/** For each noun: the kinds of targets, and who of the callers reaches each where the scope is `team` or `own`. */
export const TARGETS = {
  lead: CONTACT,
  customer: CONTACT,
  leadMerge: MERGE,
  customerMerge: MERGE,
  import: IMPORT, // completed
  openImport: IMPORT, // waits in `ready`
  awaitingImport: IMPORT, // waits for its file, which is there
  savedMapping: IMPORT,
  group: {
    own: ['manager'], // of the team
    holding: ['owner', 'manager'], // of the team, and holds a lead of the owner
    everyones: ['manager', 'otherManager'], // of no team
    foreign: ['otherManager'], // of the other team
    absent: GONE,
  },
  changeableGroup: { own: ['manager'], holding: ['manager'], everyones: [], foreign: ['otherManager'], absent: GONE },
  leadField: FIELD,
  customerField: FIELD,
  user: USER,
  team: { own: ['owner', 'member', 'manager'], foreign: ['stranger', 'otherManager'], empty: [], absent: GONE },
  emptyTeam: { empty: [], absent: GONE },
  session: PERSONAL,
  apiKey: PERSONAL,
  auditEntry: { any: [], absent: GONE },
} as const satisfies Record<string, Record<string, readonly PersonName[] | typeof GONE>>;
export type Subject = keyof typeof TARGETS;

/** For each role: the scope in which it may, or 403. */
type Grant = Record<Role, 'all' | 'team' | 'own' | 403>;
const SCOPED: Grant = { admin: 'all', manager: 'team', agent: 'own' };
const MANAGED: Grant = { admin: 'all', manager: 'team', agent: 403 };
const DEFINERS: Grant = { admin: 'all', manager: 'all', agent: 403 };
const EVERYONE: Grant = { admin: 'all', manager: 'all', agent: 'all' };
const ADMINS: Grant = { admin: 'all', manager: 403, agent: 403 };
const OF_ONESELF: Grant = { admin: 'own', manager: 'own', agent: 'own' };
const OWN_OR_ADMIN: Grant = { admin: 'all', manager: 'own', agent: 'own' };

/** What a body can be made of: for each call anew. */
export interface Ingredients {
  /** Never twice the same. */
  n: number;
  /** The password of everybody, and the address of somebody who never calls. */
  password: string;
  email: string;
  refreshToken: () => Promise<string>;
  /** Makes one that the admin and both managers see. */
  record: (subject: 'lead' | 'customer') => Promise<number>;
}
type Body = (of: Ingredients) => object | Promise<object>;

export interface Expectation {
  /** One target at a time; a list; no target; or open to anyone. */
  kind: 'one' | 'list' | 'none' | 'open';
  /** The status for whom it is allowed. */
  status: number;
  permission?: Permission;
  /** Permissions that the work needs beside it; a key is asked for them too. */
  also?: Permission[];
  grant?: Grant;
  subject?: Subject;
  body?: Body;
  /** The body is a form with a file. */
  form?: boolean;
  /** Uses the caller up (signs them out, say): each call has a caller of its own. */
  spends?: boolean;
  /** What stands for the `*` of the path. */
  rest?: string;
}

type More = Pick<Expectation, 'also' | 'spends' | 'form' | 'rest'>;
const one = (
  subject: Subject,
  status: number,
  permission: Permission,
  grant: Grant,
  body?: Body,
  more: More = {},
): Expectation => ({
  ...{ kind: 'one', subject, status, permission, grant, body },
  ...more,
});
const list = (subject: Subject, permission: Permission, grant: Grant): Expectation => ({
  ...{ kind: 'list', subject, status: 200, permission, grant },
});
const act = (status: number, permission: Permission, grant: Grant, body?: Body, more: More = {}): Expectation => ({
  ...{ kind: 'none', status, permission, grant, body },
  ...more,
});
const open = (status: number, body?: Body, more: More = {}): Expectation => ({ kind: 'open', status, body, ...more });

const person = ({ n }: Ingredients) => ({
  name: 'New Person',
  email: `new${n}@example.com`,
  password: `a passphrase ${n}`,
});
const lead: Body = ({ n }) => ({ name: 'Changed Lead', source: 'matrix', email: `lead-${n}@example.com` });
const customer: Body = ({ n }) => ({ fullName: 'Changed Customer', email: `customer-${n}@example.com` });
const batch: Body = ({ n }) => ({ updates: [{ id: 999_999, data: { company: `Company ${n}` } }] });
const change: Body = ({ n }) => ({ company: `Company ${n}` });
const named: Body = ({ n }) => ({ name: `Name ${n}` });
const key: Body = ({ n }) => ({ name: `Key ${n}`, permissions: ['leads:read'] });
const group: Body = ({ n }) => ({ name: `Group ${n}` });
const members: Body = () => ({ leadIds: [1] });
const field: Body = ({ n }) => ({ key: `field_${n}`, label: `Field ${n}`, type: 'text' });
const fieldAgain: Body = ({ n }) => ({ label: `Field ${n}`, type: 'text' });
const label: Body = ({ n }) => ({ label: `Field ${n}` });
const target: Body = () => ({ target: 'leads' });
const mapping = () => ({ mapping: { Name: 'name', Email: 'email' } });
const savedMapping: Body = ({ n }) => ({ name: `Mapping ${n}`, target: 'leads', ...mapping() });
const upload: Body = () => ({ fileName: 'people.csv', size: 100, target: 'leads' });
const nothing: Body = () => ({});

// prettier-ignore
export const ROUTES: Record<string, Expectation> = {
  'GET /leads':              list('lead', 'leads:read', SCOPED),
  'POST /leads':             act(201, 'leads:write', SCOPED, lead),
  'GET /leads/:id':          one('lead', 200, 'leads:read', SCOPED),
  'PUT /leads/:id':          one('lead', 200, 'leads:write', SCOPED, lead),
  'PATCH /leads/:id':        one('lead', 200, 'leads:write', SCOPED, change),
  'DELETE /leads/:id':       one('lead', 204, 'leads:delete', MANAGED),
  'POST /leads/:id/merge':   one('lead', 200, 'leads:merge', MANAGED, async ({ record }) => ({ sourceId: await record('lead') })),
  'POST /leads/merges/:mergeId/undo': one('leadMerge', 200, 'leads:merge', MANAGED),
  'POST /leads/:id/convert': one('lead', 201, 'leads:convert', SCOPED, nothing, { also: ['customers:write'] }),
  'GET /leads/statistics': act(200, 'leads:read', SCOPED),
  'PATCH /leads/batch': act(200, 'leads:batch', MANAGED, batch, { also: ['leads:write'] }),
  'GET /leads/duplicates':   act(200, 'leads:read', SCOPED),
  'GET /leads/:id/timeline': one('lead', 200, 'leads:read', SCOPED),

  'GET /customers':          list('customer', 'customers:read', SCOPED),
  'POST /customers':         act(201, 'customers:write', SCOPED, customer),
  'GET /customers/:id':      one('customer', 200, 'customers:read', SCOPED),
  'PUT /customers/:id':      one('customer', 200, 'customers:write', SCOPED, customer),
  'PATCH /customers/:id':    one('customer', 200, 'customers:write', SCOPED, change),
  'DELETE /customers/:id':   one('customer', 204, 'customers:delete', MANAGED),
  'POST /customers/:id/merge':   one('customer', 200, 'customers:merge', MANAGED, async ({ record }) => ({ sourceId: await record('customer') })),
  'POST /customers/merges/:mergeId/undo': one('customerMerge', 200, 'customers:merge', MANAGED),
  'GET /customers/statistics': act(200, 'customers:read', SCOPED),
  'PATCH /customers/batch': act(200, 'customers:batch', MANAGED, batch, { also: ['customers:write'] }),
  'GET /customers/duplicates':   act(200, 'customers:read', SCOPED),
  'GET /customers/:id/timeline': one('customer', 200, 'customers:read', SCOPED),

  'GET /leads/fields':            list('leadField', 'leads:read', EVERYONE),
  'POST /leads/fields':           act(201, 'leads:define', DEFINERS, field),
  'GET /leads/fields/:id':        one('leadField', 200, 'leads:read', EVERYONE),
  'PUT /leads/fields/:id':        one('leadField', 200, 'leads:define', DEFINERS, fieldAgain),
  'PATCH /leads/fields/:id':      one('leadField', 200, 'leads:define', DEFINERS, label),
  'DELETE /leads/fields/:id':     one('leadField', 204, 'leads:define', DEFINERS),
  'GET /customers/fields':        list('customerField', 'customers:read', EVERYONE),
  'POST /customers/fields':       act(201, 'customers:define', DEFINERS, field),
  'GET /customers/fields/:id':    one('customerField', 200, 'customers:read', EVERYONE),
  'PUT /customers/fields/:id':    one('customerField', 200, 'customers:define', DEFINERS, fieldAgain),
  'PATCH /customers/fields/:id':  one('customerField', 200, 'customers:define', DEFINERS, label),
  'DELETE /customers/fields/:id': one('customerField', 204, 'customers:define', DEFINERS),

  'GET /groups':                list('group', 'groups:read', SCOPED),
  'POST /groups':               act(201, 'groups:write', MANAGED, group),
  'GET /groups/:id':            one('group', 200, 'groups:read', SCOPED),
  'PUT /groups/:id':            one('changeableGroup', 200, 'groups:write', MANAGED, group),
  'DELETE /groups/:id':         one('changeableGroup', 204, 'groups:write', MANAGED),
  'POST /groups/:id/members':   one('group', 200, 'groups:write', MANAGED, members, { also: ['leads:write'] }),
  'DELETE /groups/:id/members': one('group', 200, 'groups:write', MANAGED, members, { also: ['leads:write'] }),

  'GET /imports':                  list('import', 'imports:read', MANAGED),
  'POST /imports':                 act(202, 'imports:write', MANAGED, target, { form: true }),
  'GET /imports/:id':              one('import', 200, 'imports:read', MANAGED),
  'GET /imports/:id/analysis':     one('import', 200, 'imports:read', MANAGED),
  'GET /imports/:id/rows':         one('import', 200, 'imports:read', MANAGED),
  'GET /imports/:id/rejected.csv': one('import', 200, 'imports:read', MANAGED),
  'GET /imports/:id/events':       one('import', 200, 'imports:read', MANAGED),
  'GET /imports/:id/preview':      one('openImport', 200, 'imports:read', MANAGED),
  'PUT /imports/:id/mapping':      one('openImport', 200, 'imports:write', MANAGED, mapping),
  'POST /imports/:id/plan':        one('openImport', 202, 'imports:write', MANAGED, () => ({ waitSeconds: 0 })),
  'GET /imports/:id/plan':         one('openImport', 200, 'imports:read', MANAGED),
  'POST /imports/:id/start':       one('openImport', 202, 'imports:write', MANAGED, nothing),
  'POST /imports/uploads':         act(201, 'imports:write', MANAGED, upload),
  'POST /imports/:id/parts':       one('awaitingImport', 200, 'imports:write', MANAGED, nothing),
  'POST /imports/:id/analyze':     one('awaitingImport', 202, 'imports:write', MANAGED, nothing),
  'POST /imports/:id/cancel':      one('openImport', 202, 'imports:write', MANAGED),
  'POST /imports/:id/undo':        one('import', 202, 'imports:write', MANAGED),
  'GET /imports/:id/undo':         one('import', 200, 'imports:read', MANAGED),
  'GET /imports/:id/undo/rows':    one('import', 200, 'imports:read', MANAGED),
  'POST /imports/:id/replay':      one('import', 202, 'imports:write', MANAGED, nothing),
  'GET /import-mappings':          list('savedMapping', 'imports:read', MANAGED),
  'POST /import-mappings':         act(201, 'imports:write', MANAGED, savedMapping),
  'GET /import-mappings/:id':      one('savedMapping', 200, 'imports:read', MANAGED),
  'DELETE /import-mappings/:id':   one('savedMapping', 204, 'imports:write', MANAGED),
  'GET /csv/logs':                 list('import', 'imports:read', MANAGED),
  'POST /csv/upload':              act(202, 'imports:write', MANAGED, nothing, { form: true }),

  'GET /users':              list('user', 'users:read', MANAGED),
  'POST /users':             act(201, 'users:write', ADMINS, (of) => ({ ...person(of), role: 'agent' })),
  'GET /users/me':           act(200, 'account:read', OF_ONESELF),
  'GET /users/:id':          one('user', 200, 'users:read', MANAGED),
  'PATCH /users/:id':        one('user', 200, 'users:write', ADMINS, named),
  'POST /users/:id/unlock':  one('user', 204, 'users:write', ADMINS),
  'DELETE /users/:id':       one('user', 204, 'users:write', ADMINS),

  'GET /teams':              list('team', 'users:read', MANAGED),
  'POST /teams':             act(201, 'users:write', ADMINS, named),
  'GET /teams/:id':          one('team', 200, 'users:read', MANAGED),
  'PUT /teams/:id':          one('team', 200, 'users:write', ADMINS, named),
  'PATCH /teams/:id':        one('team', 200, 'users:write', ADMINS, named),
  'DELETE /teams/:id':       one('emptyTeam', 204, 'users:write', ADMINS),

  'POST /auth/register':      open(201, person),
  'POST /auth/login':         open(200, ({ email, password }) => ({ email, password })),
  'POST /auth/refresh':       open(200, async ({ refreshToken }) => ({ refreshToken: await refreshToken() })),
  'POST /auth/refresh-token': open(200, async ({ refreshToken }) => ({ refreshToken: await refreshToken() })),
  'POST /auth/logout':        act(204, 'account:write', OF_ONESELF, nothing, { spends: true }),
  'GET /auth/me':             act(200, 'account:read', OF_ONESELF),
  'PATCH /auth/password':     act(204, 'account:write', OF_ONESELF,
    ({ password, n }) => ({ currentPassword: password, newPassword: `another passphrase ${n}` }), { spends: true }),
  'GET /auth/sessions':        list('session', 'account:write', OF_ONESELF),
  'DELETE /auth/sessions/:id': one('session', 204, 'account:write', OF_ONESELF),

  'GET /api-keys':            list('apiKey', 'api-keys:read', OWN_OR_ADMIN),
  'POST /api-keys':           act(201, 'api-keys:write', OWN_OR_ADMIN, key),
  'GET /api-keys/:id':        one('apiKey', 200, 'api-keys:read', OWN_OR_ADMIN),
  'DELETE /api-keys/:id':     one('apiKey', 204, 'api-keys:write', OWN_OR_ADMIN),

  'GET /audit-log':           list('auditEntry', 'audit:read', ADMINS),
  'GET /audit-log/:id':       one('auditEntry', 200, 'audit:read', ADMINS),

  'PUT /files/uploads/:name/:part': open(422), // the address is the permission, and this one is not signed
  'GET /health/live':        open(200),
  'GET /health/ready':       open(200),
  'GET /metrics':            open(200),
  'GET /api/openapi.json':   open(200),
  'GET /api/docs-yaml':      open(200),
  'GET /api/docs':           open(200),
  'GET /api/docs/':          open(200),
  'GET /api/docs/*':         open(200, undefined, { rest: 'swagger-ui.css' }),
  'GET /api/docs/index.html':                 open(200),
  'GET /api/docs/LICENSE':                    open(404),
  'GET /api/docs/swagger-ui-init.js':         open(200),
  'GET /api/docs/docs/*':                     open(200, undefined, { rest: 'swagger-ui.css' }),
  'GET /api/docs/docs/swagger-ui-init.js':    open(200),
};

/**
 * To whom a record of one's own may be given, when it is made and later: for each caller, to whom it may (2xx); everybody else is
 * refused with the code at the end. Who is absent, deleted or suspended is nobody, for all.
 */
export const ASSIGNEES = {
  owner: { to: ['oneself'], otherwise: 'assign-forbidden' },
  manager: { to: ['oneself', 'teammate'], otherwise: 'user-unknown' },
  admin: { to: ['oneself', 'teammate', 'foreigner'], otherwise: 'user-unknown' },
} as const;

/** What the caller gets: the status, and of a refusal the code. */
export interface Outcome {
  status: number;
  code: string | null;
}
const FORBIDDEN: Outcome = { status: 403, code: 'forbidden' };
const NOT_FOUND: Outcome = { status: 404, code: 'not-found' };
/** What a route that is open to anyone answers to a call that is for nobody. */
const REFUSED_TO_ALL: Record<number, typeof NOT_FOUND> = {
  404: NOT_FOUND,
  422: { status: 422, code: 'validation-failed' },
};

/** The kinds of targets that a route is called with; null where it has none. */
export const targetsOf = ({ kind, subject }: Expectation): (string | null)[] =>
  kind === 'one' ? Object.keys(TARGETS[subject!]) : [null];

/** What {@link ROUTES} says about one call. */
export function expected(route: Expectation, caller: CallerName, kind: string | null): Outcome {
  const allowed: Outcome = { status: route.status, code: null };
  if (route.kind === 'open') return REFUSED_TO_ALL[route.status] ?? allowed;
  if (caller in SIGNED_OUT) return { status: 401, code: SIGNED_OUT[caller as keyof typeof SIGNED_OUT] };
  const permission = route.permission!;
  if (caller === 'keyWithout' && !ALWAYS_BY_KEY.includes(permission)) return FORBIDDEN;
  if (caller === 'keyOnly' && NEVER_BY_KEY.includes(permission)) return FORBIDDEN;
  const name = caller === 'keyWithout' || caller === 'keyOnly' ? 'admin' : (caller as PersonName);
  const scope = route.grant![PEOPLE[name]];
  if (scope === 403) return FORBIDDEN;
  if (kind === null) return allowed;
  const reach = (TARGETS[route.subject!] as Record<string, readonly PersonName[] | typeof GONE>)[kind];
  if (reach === GONE) return NOT_FOUND;
  return scope === 'all' || reach.includes(name) ? allowed : NOT_FOUND;
}

/** The calls of the whole matrix. */
export const callsOf = (routes: Expectation[]): number =>
  routes.reduce((sum, route) => sum + targetsOf(route).length * CALLERS.length, 0);
