import { frozenFaults } from './frozen.mjs';
import { killFault } from './kills.mjs';
import { outageFaults } from './outages.mjs';
import { pointFaults } from './points.mjs';
import { repeatFaults } from './repeats.mjs';
import { undoFaults } from './undo.mjs';

/**
 * Something that goes wrong during an import.
 * @typedef {object} Fault
 * @property {string} name @property {string} group names several at once @property {string} about one line
 * @property {('embedded' | 'services')[]} profiles where it can happen
 * @property {(servers: object) => boolean} [applies] whether it can with these servers
 * @property {(site: import('./site.mjs').Site) => Promise<void>} run imports a file, lets it happen, and settles the import
 */

const nothing = {
  name: 'nothing',
  group: 'nothing',
  about: 'nothing goes wrong: what the others are compared with',
  profiles: ['embedded', 'services'],
  run: async (site) => site.settle(await site.upload()),
};

/** @type {Fault[]} */
export const FAULTS = [
  nothing,
  ...pointFaults,
  killFault,
  ...outageFaults,
  ...repeatFaults,
  ...frozenFaults,
  ...undoFaults,
];

/** The faults of these names or groups; all without any. @throws {Error} for a name of none */
export function faultsOf(names) {
  for (const name of names) {
    if (!FAULTS.some((fault) => fault.name === name || fault.group === name))
      throw new Error(`--fault: there is no "${name}"`);
  }
  return names.length === 0
    ? FAULTS
    : FAULTS.filter(({ name, group }) => names.includes(name) || names.includes(group));
}

export const faultByName = (name) => FAULTS.find((fault) => fault.name === name);
