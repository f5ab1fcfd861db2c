import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guarded } from '../bench/guard.mjs';
import { Failure, inRoot } from '../lib/project.mjs';
import { faultByName } from './faults.mjs';
import { MUTANTS } from './mutations.mjs';
import { printRows, runFault } from './run.mjs';
import { startServers } from './servers.mjs';
import { Site } from './site.mjs';

/** How long the events of a mutant may take, in milliseconds: most that are late never come. Above the lease of a killed relay. */
const QUIET_LIMIT = 45_000;

const homes = new Set();
process.on('exit', () => homes.forEach((home) => rmSync(home, { recursive: true, force: true })));

/** The text of a built file with a mutant's changes. @throws {Failure} when one does not fit exactly once */
function mutated({ name, file, changes }) {
  let text = readFileSync(inRoot('dist', file), 'utf8');
  for (const [from, to] of changes) {
    const found = text.split(from).length - 1;
    if (found !== 1) {
      throw new Failure(`mutant "${name}": its change fits ${found} times in ${file}, not once:\n${from}`);
    }
    text = text.replace(from, () => to);
  }
  return text;
}

/** Whether the planted bugs fit the program as it is built now. @throws {Failure} */
export function fitMutants() {
  MUTANTS.forEach(mutated);
  console.log(`mutants: all ${MUTANTS.length} fit the program`);
}

/** A copy of the built program, with a mutant's changes. @throws {Failure} as {@link mutated} */
function copyOf(mutant) {
  const home = mkdtempSync(join(tmpdir(), 'muster-mutant-'));
  homes.add(home);
  cpSync(inRoot('dist'), join(home, 'dist'), { recursive: true });
  symlinkSync(inRoot('node_modules'), join(home, 'node_modules'));
  if (mutant) writeFileSync(join(home, 'dist', mutant.file), mutated(mutant));
  return home;
}

/** @returns what {@link runFault} finds with the program in `home`, which is removed */
async function tryOut(home, profile, fault, options, servers) {
  const site = new Site(profile, { ...options, quietLimit: QUIET_LIMIT }, servers);
  try {
    await site.open(home);
    return await runFault(site, faultByName(fault));
  } finally {
    await site.close();
    rmSync(home, { recursive: true, force: true });
  }
}

const key = ({ profile, fault }) => `${profile} ${fault}`;

/** Tries each mutant in the scenario that must expose it, and the unchanged program in all of them. @returns {Promise<number>} the exit code */
export async function runMutants(options) {
  const chosen = new Set(options.faults.map(({ name }) => name));
  const mutants = MUTANTS.filter(({ profile, fault }) => options.profiles.includes(profile) && chosen.has(fault));
  if (mutants.length === 0) throw new Failure('no mutant is exposed by these faults in these profiles');
  mutants.forEach(mutated);
  console.log(`seed ${options.seed}`);
  const rows = [];
  let failures = 0;
  await guarded(async (signal) => {
    const watched = { ...options, signal };
    const needed = mutants.some(({ profile }) => profile === 'services');
    const servers = needed ? await startServers({ s3: false }) : undefined;
    console.log('\nunchanged');
    for (const scenario of new Map(mutants.map((mutant) => [key(mutant), mutant])).values()) {
      const { profile, fault } = scenario;
      const { good } = await tryOut(copyOf(), profile, fault, watched, servers);
      if (!good) failures++;
      rows.push(['none', profile, fault, good ? 'nothing, as it must be' : 'FALSE ALARM']);
    }
    for (const mutant of mutants) {
      const { name, profile, fault, wanted } = mutant;
      console.log(`\nmutant: ${name}`);
      const { deviations } = await tryOut(copyOf(mutant), profile, fault, watched, servers);
      const reported = [...deviations].map(([kind, { count }]) => `${kind} (${count})`).join(', ');
      const caught = deviations.has(wanted);
      if (!caught) failures++;
      rows.push([name, profile, fault, caught ? reported : `NOT CAUGHT as "${wanted}": ${reported || 'nothing'}`]);
    }
  });
  printRows(['mutant', 'profile', 'fault', 'caught by'], rows);
  console.log(
    failures === 0 ? `mutants: all ${mutants.length} caught` : `mutants: ${failures} FAILED (seed ${options.seed})`,
  );
  return failures === 0 ? 0 : 1;
}
