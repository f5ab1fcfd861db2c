import { existsSync, readdirSync, readFileSync } from 'node:fs';

// Nest is ESM-only and jest does not require() such packages: swc turns each of them into CommonJS for the tests.
const root = new URL('./node_modules/', import.meta.url);
const packages = readdirSync(root).flatMap((name) =>
  name.startsWith('@') ? readdirSync(new URL(`${name}/`, root)).map((scoped) => `${name}/${scoped}`) : [name],
);
const esmOnly = packages.filter((name) => {
  const manifest = new URL(`${name}/package.json`, root);
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).type === 'module';
});

/** CommonJS packages that `import()` an ESM-only one: jest's environment has no such thing either. */
const importing = ['@fastify/cookie'];

const jsc = { target: 'es2022', keepClassNames: true };
const typescript = {
  ...jsc,
  parser: { syntax: 'typescript', decorators: true },
  transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
};

const shared = {
  testEnvironment: 'node',
  roots: ['<rootDir>/apps', '<rootDir>/libs'],
  setupFiles: ['reflect-metadata'],
  moduleNameMapper: { '^@muster/(core|platform|features|testing)/(.*)$': '<rootDir>/libs/$1/src/$2' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', { swcrc: false, module: { type: 'commonjs' }, sourceMaps: 'inline', jsc: typescript }],
    '^.+\\.m?js$': ['@swc/jest', { swcrc: false, module: { type: 'commonjs' }, jsc }],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${[...esmOnly, ...importing].join('|')})/)`],
};

/** unit: no I/O beside the disk · db: a real store and broker · e2e: the built program, from outside. */
export default {
  // A disk that others keep busy takes its time over each commit.
  testTimeout: 30_000,
  projects: [
    { ...shared, displayName: 'unit', testRegex: '(?<!\\.db|\\.e2e)[.]spec\\.ts$' },
    { ...shared, displayName: 'db', testRegex: '[.]db-spec\\.ts$' },
    { ...shared, displayName: 'e2e', testRegex: '[.]e2e-spec\\.ts$' },
  ],
};
