import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ensureBuilt } from './lib/build.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { Failure, inRoot, main, say } from './lib/project.mjs';

const file = inRoot('docs', 'events.md');
const features = inRoot('dist', 'libs', 'features', 'src');

const HEAD = `# Events

What Muster says when something has happened: written in the transaction of what they tell, published after its commit, delivered at
least once. Made by \`npm run events\` from the definitions (\`libs/features/src/*/*.events.ts\`).

An event travels as

    { "id": "<UUID>", "name": "lead.updated", "version": 1, "occurredAt": "<ISO 8601, UTC>", "requestId": "…" | null, "payload": { … } }

- \`id\` is the same on every delivery: keep it, and do nothing when it comes again.
- A change of a payload that a consumer could notice gives the event a new \`version\`. A new property alone does not.
- Payloads name records, people and fields. They hold no personal data: read the record.
- An event that is said again on request (\`POST /imports/:id/replay\`) is a new event with an id of its own. It also has \`replayOf\`,
  the id of the event that it repeats: who keeps \`replayOf ?? id\` handles each but once. What it tells has happened when the
  import did, and the record may have gone since.
- On RabbitMQ events are messages of the topic exchange \`<BROKER_PREFIX>.events\`, with the name as routing key.
`;

/** Every definition that the built features export. */
function definitions() {
  const load = createRequire(import.meta.url);
  return readdirSync(features)
    .flatMap((feature) => readdirSync(join(features, feature)).map((name) => join(features, feature, name)))
    .filter((path) => path.endsWith('.events.js'))
    .flatMap((path) => Object.values(load(path)))
    .filter((value) => typeof value === 'object' && value?.schema);
}

function typeOf({ type, enum: words, items, anyOf, additionalProperties }) {
  if (anyOf) return anyOf.map(typeOf).join(' or ');
  if (words) return words.map((word) => `\`${word}\``).join(', ');
  if (type === 'array') return `list of ${typeOf(items)}`;
  if (type === 'object' && additionalProperties) return `object of ${typeOf(additionalProperties)}`;
  return type;
}

function section({ name, version, description, schema }) {
  const rows = Object.entries(schema.properties).map(
    ([property, each]) => `| \`${property}\` | ${typeOf(each)} | ${each.description ?? ''} |`,
  );
  return `### ${name} (version ${version})\n\n${description}\n\n| property | type | |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function document() {
  const events = definitions().sort((one, other) => (one.name < other.name ? -1 : 1));
  const names = events.map(({ name, version }) => `${name} ${version}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice) throw new Failure(`two events are defined as ${twice}`);
  const nouns = [...new Set(events.map(({ name }) => name.slice(0, name.indexOf('.'))))];
  const parts = nouns.map(
    (noun) =>
      `## ${noun}\n\n${events
        .filter(({ name }) => name.startsWith(`${noun}.`))
        .map(section)
        .join('\n')}`,
  );
  const schemas = Object.fromEntries(events.map(({ name, version, schema }) => [`${name}.v${version}`, schema]));
  return `${HEAD}\n${parts.join('\n')}\n## JSON Schemas of the payloads\n\n\`\`\`json\n${JSON.stringify(schemas, null, 2)}\n\`\`\`\n`;
}

async function formatted(text) {
  const prettier = await import('prettier');
  return prettier.format(text, { ...(await prettier.resolveConfig(file)), filepath: file });
}

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  const fresh = await formatted(document());
  let before = '';
  try {
    before = readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (fresh === before) return say('docs/events.md is up to date.');
  if (process.argv.includes('--check')) {
    throw new Failure('docs/events.md is not what the code says: run `npm run events` and commit it');
  }
  writeFileSync(file, fresh);
  say('Wrote docs/events.md.');
});
