import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { migrationOf, TEMPLATES } from './lib/feature-templates.mjs';
import { nodeBinary } from './lib/install.mjs';
import { Failure, inRoot, main } from './lib/project.mjs';
import { capture } from './lib/run.mjs';

const USAGE = `Writes a new feature: a noun with a name and notes, from the route to the table, with tests and a migration.

  npm run new:feature -- call-notes            the noun in the plural, in kebab-case
  npm run new:feature -- people person         the singular beside it where it is irregular`;

const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const MIGRATIONS = 'libs/platform/src/database/migrations';

// The templates are the feature "call-notes"; every spelling of that name is replaced, with the article before it.
const SPELLING = /(\b[Aa] )?(call[-_ ]notes?|CallNotes?|callNotes?)/g;

const remainingOf = (number) => `
What is left to do by hand, so that it is your decision:

  libs/core/src/permissions.ts, into PERMISSIONS: who may do what
    'call-notes:read': { admin: 'all', manager: 'team', agent: 'own' },
    'call-notes:write': { admin: 'all', manager: 'team', agent: 'own' },
    'call-notes:delete': { admin: 'all', manager: 'team' },

  .dependency-cruiser.cjs, into FEATURES: its place in the line (it imports only features to its left)
    'call-notes',

  ${MIGRATIONS}/list.ts
    import { CallNotes${number} } from './${number}-call-notes';
    CallNotes${number}        at the end of the list

  apps/shared/platform.module.ts and libs/testing/src/database.ts, into the list of tables
    import { callNoteTable } from '@muster/features/call-notes/call-notes.entity';
    callNoteTable

  apps/api/src/app.module.ts, into imports
    import { CallNotesHttpModule } from '@muster/features/call-notes/call-notes.module';
    CallNotesHttpModule

  apps/api/test/authorization/expectations.ts, into TARGETS and ROUTES: who gets what, for each route
  apps/api/test/authorization/cast.ts: how a record of each kind in TARGETS is made

Then: npm run typecheck, npm run lint:arch, npm run openapi, npm run events, npm run test:unit -- call-notes, npm run test:embedded -- call-notes
`;

const pascal = (name) => name.replace(/(?:^|-)([a-z0-9])/g, (_, letter) => letter.toUpperCase());

function singularOf(plural) {
  if (plural.endsWith('ies')) return `${plural.slice(0, -3)}y`;
  if (/(?:s|x|ch|sh)es$/.test(plural)) return plural.slice(0, -2);
  if (plural.endsWith('s') && !plural.endsWith('ss')) return plural.slice(0, -1);
  throw new Failure(`the singular of "${plural}" cannot be told: give it as the second word`);
}

/** Turns a template into the text of the new noun. */
function renamer(plural, singular) {
  const spelled = (name) => (spelling) => {
    if (spelling.includes('-')) return name;
    if (spelling.includes('_')) return name.replaceAll('-', '_');
    if (spelling.includes(' ')) return name.replaceAll('-', ' ');
    const words = pascal(name);
    return spelling.startsWith('C') ? words : words[0].toLowerCase() + words.slice(1);
  };
  return (text) =>
    text.replace(SPELLING, (_, article = '', spelling) => {
      const noun = spelled(spelling.endsWith('s') ? plural : singular)(spelling);
      return (article && /^[aeiou]/i.test(noun) ? article.replace(' ', 'n ') : article) + noun;
    });
}

/** The number of the migration that comes after all others. */
function nextMigration() {
  const numbers = readdirSync(inRoot(MIGRATIONS)).map((file) => Number.parseInt(file, 10));
  return Math.max(...numbers.filter(Number.isInteger)) + 1;
}

async function format(files) {
  const prettier = inRoot('node_modules', 'prettier', 'bin', 'prettier.cjs');
  if (!existsSync(prettier)) return;
  const { ok, stderr } = await capture(await nodeBinary(), [prettier, '--write', ...files], { cwd: inRoot() });
  if (!ok) throw new Failure(`prettier: ${stderr}`);
}

await main(async () => {
  const [plural, given, ...more] = process.argv.slice(2);
  if (!plural || more.length > 0 || [plural, given].some((name) => name !== undefined && !NAME.test(name))) {
    throw new Failure(USAGE);
  }
  const singular = given ?? singularOf(plural);
  if (singular === plural) throw new Failure('the singular and the plural must differ: they name different things');
  const folder = `libs/features/src/${plural}`;
  if (existsSync(inRoot(folder))) throw new Failure(`${folder} exists already`);
  const rename = renamer(plural, singular);
  const number = nextMigration();
  const files = Object.entries(TEMPLATES).map(([kind, text]) => [`${folder}/${plural}.${kind}.ts`, text]);
  files.push([`${MIGRATIONS}/${number}-${plural}.ts`, migrationOf(number)]);
  for (const [file, text] of files) {
    mkdirSync(dirname(inRoot(file)), { recursive: true });
    writeFileSync(inRoot(file), rename(text), { flag: 'wx' });
  }
  await format(files.map(([file]) => file));
  const inLine = readFileSync(inRoot('.dependency-cruiser.cjs'), 'utf8').includes(`'${plural}',`);
  const remaining = rename(remainingOf(number));
  process.stdout.write(`${files.map(([file]) => file).join('\n')}\n`);
  process.stdout.write(inLine ? remaining.replace(/\n {2}\.dependency-cruiser[^\n]*\n[^\n]*\n/, '') : remaining);
});
