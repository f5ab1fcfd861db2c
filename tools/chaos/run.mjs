import { guarded } from '../bench/guard.mjs';
import { Failure } from '../lib/project.mjs';
import { Killer } from './killer.mjs';
import { plantFaults } from './planted.mjs';
import { startServers } from './servers.mjs';
import { Site, Violation } from './site.mjs';

/** Runs what was asked for in each profile. @returns {Promise<number>} the exit code: 0 only without any deviation */
export async function runChaos(options) {
  console.log(`seed ${options.seed}`);
  const results = [];
  await guarded(async (signal) => {
    for (const profile of options.profiles) {
      if (options.selfTest) results.push(...(await selfTest(profile, options)));
      else results.push(...(await runFaults(profile, { ...options, signal })));
    }
  });
  if (!options.selfTest) printTable(results);
  const bad = results.filter(({ good }) => !good).length;
  if (results.length === 0) throw new Failure('none of these faults can happen here');
  console.log(
    bad === 0 ? 'chaos: everything as promised' : `chaos: ${bad} of ${results.length} DEVIATED (seed ${options.seed})`,
  );
  return bad === 0 ? 0 : 1;
}

/** Starts the servers of a profile; without an explicit wish for it, the services profile is left out where they cannot run. */
async function serversFor(profile, options, s3) {
  if (profile === 'embedded') return { servers: undefined };
  try {
    return { servers: await startServers({ database: options.database, s3 }) };
  } catch (error) {
    if (!(error instanceof Failure) || options.profiles.length === 1) throw error;
    console.log(`\nservices: left out, ${error.message}`);
    return { missing: true };
  }
}

async function runFaults(profile, options) {
  const possible = options.faults.filter(({ profiles }) => profiles.includes(profile));
  if (possible.length === 0) return [];
  const { servers, missing } = await serversFor(
    profile,
    options,
    options.s3 || possible.some(({ group }) => group === 'storage'),
  );
  if (missing) return [];
  const results = [];
  let site = null;
  for (const fault of possible) {
    if (servers && fault.applies && !fault.applies(servers)) {
      console.log(`   ${fault.name}: cannot happen with these servers`);
      continue;
    }
    if (!site) {
      site = await new Site(profile, options, servers).open();
      console.log(`\n${profile}: ${await site.describe()}`);
    }
    const result = await runFault(site, fault);
    results.push(result);
    if (result.good) continue;
    // The store is not what the next file expects.
    await site.close();
    site = null;
  }
  await site?.close();
  return results;
}

/** Lets a fault happen, and says what was found. */
export async function runFault(site, fault) {
  site.begin();
  site.note = '';
  try {
    await fault.run(site);
  } catch (error) {
    site.options.signal?.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
    if (error instanceof Violation) site.deviates(error.kind, error.detail);
    else site.deviates('fault failed', error.message);
  }
  const { totals, deviations, recovered, note } = site;
  const result = {
    profile: site.profile,
    fault: fault.name,
    totals,
    deviations,
    recovered,
    note,
    good: deviations.size === 0,
  };
  console.log(`   ${result.good ? 'kept  ' : 'BROKEN'} ${fault.name}${recovered ? `, ${recovery(recovered)}` : ''}`);
  for (const [kind, { count, examples }] of deviations) {
    console.log(`     DEVIATION ${kind}: ${count}\n       ${examples.join('\n       ')}`);
  }
  return result;
}

const seconds = (time) => `${(Math.max(0, time) / 1000).toFixed(1)} s`;

/** Until the import was complete, and until its events were handled, from the end of the fault. */
const recovery = ({ completed, quiet }) => [completed, quiet ?? []].flat().map(seconds).join(' / ');

function printTable(results) {
  const head = [
    'profile',
    'fault',
    'rows',
    'lost',
    'doubled',
    'wrong',
    'events said/published/handled',
    'import / events recovered in',
  ];
  const rows = results.map(({ profile, fault, totals, deviations, recovered, note }) => {
    const { rows: n = 0, lost = 0, twice = 0, eventsCommitted = 0, eventsPublished = 0, eventsHandled = 0 } = totals;
    const others = [...deviations]
      .filter(([kind]) => !/lost|twice/.test(kind))
      .reduce((sum, [, { count }]) => sum + count, 0);
    const events = `${eventsCommitted}/${eventsPublished}/${eventsHandled}`;
    return [profile, fault, n, lost, twice, others, events, recovered ? recovery(recovered) : note || '-'].map(String);
  });
  printRows(head, rows);
}

/** Prints a table as Markdown. */
export function printRows(head, rows) {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  console.log(`\n${line(head)}\n${line(widths.map((width) => '-'.repeat(width)))}`);
  for (const row of rows) console.log(line(row));
  console.log('');
}

/** Plants faults into a finished import, each of which the checker must find. */
async function selfTest(profile, options) {
  const { servers, missing } = await serversFor(profile, options, false);
  if (missing) return [];
  const site = await new Site(profile, options, servers).open();
  try {
    console.log(`\n${profile}: ${await site.describe()}`);
    const importId = await site.upload();
    await new Killer(site.program, site.database, site.random).attack(importId, 0);
    await site.settle(importId);
    for (const [kind, { examples }] of site.deviations) console.log(`   DEVIATION ${kind}: ${examples.join('; ')}`);
    await site.program.stop();
    const results = await plantFaults(site.database, importId, site.expected);
    for (const { fault, wanted, reported, found } of results) {
      const instead = found ? '' : `, reported ${reported.join(', ') || 'nothing'}`;
      console.log(`   ${found ? 'found ' : 'MISSED'} ${fault}: "${wanted}"${instead}`);
    }
    const missed = results.filter(({ found }) => !found).length;
    console.log(` ${profile}: faults planted ${results.length}, found ${results.length - missed}, missed ${missed}`);
    return [{ good: site.deviations.size === 0 }, ...results.map(({ found }) => ({ good: found }))];
  } finally {
    await site.close();
  }
}
