/**
 * The features in their one order. A feature imports only features to its left.
 * Every rule between features is derived from this line; a new feature takes its place here.
 */
const FEATURES = [
  'audit',
  'auth',
  'custom-fields',
  'media',
  'contacts',
  'customers',
  'leads',
  'groups',
  'call-tasks',
  'datasets',
  'imports',
  'reports',
  'exports',
  'notifications',
  'webhooks',
];

/** The layers in their one order, as folders. A layer imports only itself and layers to its left. */
const LAYERS = ['libs/core', 'libs/platform', 'libs/features', 'apps'];

/** The files by which a feature may be entered: from another feature, and from an app. */
const DOORS = ['module', 'service', 'events', 'policy'];
const APP_DOORS = [...DOORS, 'entity', 'dto', 'options', 'admin'];

/** What core may use of the registry: plain functions without I/O. It uses nothing of Node.js itself. */
const CORE_PACKAGES = ['libphonenumber-js', 're2js'];

const anyOf = (names) => `(?:${names.join('|')})`;
const feature = (names) => `^libs/features/src/${anyOf(names)}/`;
const doors = (names) => `\\.${anyOf(names)}\\.ts$`;
const packages = (names) => `(?:^|/)node_modules/(?:@types/)?${anyOf(names)}(?:/|$)`;

const TESTS = '(?:\\.(?:db-|e2e-)?spec\\.ts$|^apps/[^/]+/test/)';
const PROGRAMS = '^apps/[^/]+/src/(?:main|openapi)\\.ts$';

const layerRules = LAYERS.slice(0, -1).map((layer, index) => ({
  name: `layers:${layer}`,
  comment: `${layer} imports nothing of ${LAYERS.slice(index + 1).join(', ')}.`,
  severity: 'error',
  from: { path: `^${layer}/`, pathNot: TESTS },
  to: { path: `^${anyOf(LAYERS.slice(index + 1))}/` },
}));

const featureRules = FEATURES.slice(0, -1).map((name, index) => ({
  name: `features:${name}`,
  comment: `${name} imports only features to its left: ${FEATURES.slice(0, index).join(', ') || 'none'}.`,
  severity: 'error',
  from: { path: feature([name]) },
  to: { path: feature(FEATURES.slice(index + 1)) },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    ...featureRules,
    {
      name: 'feature-in-line',
      comment: 'A feature that is not in the line of .dependency-cruiser.cjs has no place yet: give it one.',
      severity: 'error',
      from: { path: '^libs/features/src/', pathNot: feature(FEATURES) },
      to: {},
    },
    {
      name: 'feature-doors',
      comment: `A feature is entered only by its ${DOORS.join(', ')} files; tests may look behind them.`,
      severity: 'error',
      from: { path: '^libs/features/src/([^/]+)/', pathNot: TESTS },
      to: { path: '^libs/features/src/', pathNot: ['^libs/features/src/$1/', feature(['contacts']), doors(DOORS)] },
    },
    {
      name: 'feature-doors-of-contacts',
      comment: `contacts is what leads and customers have in common: only these two enter it otherwise than by its ${DOORS.join(', ')} files.`,
      severity: 'error',
      from: { path: '^libs/features/src/', pathNot: [feature(['contacts', 'leads', 'customers']), TESTS] },
      to: { path: feature(['contacts']), pathNot: doors(DOORS) },
    },
    {
      name: 'feature-doors-of-apps',
      comment: `An app enters a feature only by its ${APP_DOORS.join(', ')} files.`,
      severity: 'error',
      from: { path: '^apps/' },
      to: { path: '^libs/features/src/', pathNot: doors(APP_DOORS) },
    },
    {
      name: 'core-is-plain',
      comment: 'core is plain TypeScript: no framework, no I/O.',
      severity: 'error',
      from: { path: '^libs/core/', pathNot: TESTS },
      to: { dependencyTypesNot: ['local', 'aliased'], pathNot: [packages(CORE_PACKAGES), '^libs/'] },
    },
    {
      name: 'drivers-in-dialect',
      comment: 'Only libs/platform/src/database/dialect knows which database it is.',
      severity: 'error',
      from: { path: '^(?:apps|libs)/', pathNot: ['^libs/platform/src/database/dialect/', '^libs/testing/'] },
      to: { path: packages(['mysql2', 'better-sqlite3']) },
    },
    {
      name: 'outside-in-platform',
      comment: 'Only libs/platform speaks to brokers, file stores and engines.',
      severity: 'error',
      from: { path: '^(?:apps|libs)/', pathNot: ['^libs/platform/', '^libs/testing/'] },
      to: { path: packages(['amqplib', '@aws-sdk', '@duckdb']) },
    },
    {
      name: 'testing-in-tests',
      comment: 'Only tests import libs/testing.',
      severity: 'error',
      from: { pathNot: [TESTS, '^libs/testing/'] },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'testing-no-apps',
      comment: 'libs/testing starts the apps as programs; it does not import them.',
      severity: 'error',
      from: { path: '^libs/testing/' },
      to: { path: '^apps/' },
    },
    {
      name: 'no-circular',
      comment: 'Two files that need each other are one file, or three.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-barrel',
      comment: 'Import the file that holds it: an index.ts hides who needs what.',
      severity: 'error',
      from: { path: '^(?:apps|libs)/.*/index\\.ts$' },
      to: {},
    },
    {
      name: 'no-orphans',
      comment: 'A file that no program reaches is dead.',
      severity: 'error',
      from: { path: PROGRAMS },
      to: { path: '^(?:apps|libs)/', pathNot: [TESTS, '^libs/testing/', PROGRAMS], reachable: false },
    },
    {
      name: 'no-unresolvable',
      comment: 'The import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependency',
      comment: 'A program may not need a package that is installed for development only.',
      severity: 'error',
      from: { path: '^(?:apps|libs)/', pathNot: [TESTS, '^libs/testing/'] },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: '(?:^|/)node_modules/@types/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: '(?:^|/)node_modules/' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
