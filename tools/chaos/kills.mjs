import { Killer, RESUME_LIMIT } from './killer.mjs';

/** How many kills one import takes: it is to come to its end too. */
const KILLS_A_ROUND = [5, 8];

export const killFault = {
  name: 'kills',
  group: 'kills',
  about: '--kills processes die (SIGKILL) at random moments, in as many imports as that takes; each is started at once',
  profiles: ['embedded', 'services'],
  run: async (site) => {
    const { random, options } = site;
    const killer = new Killer(site.program, site.database, random);
    for (let round = 1; round === 1 || killer.killed < options.kills; round++) {
      const [low, high] = KILLS_A_ROUND;
      const kills = Math.min(options.kills - killer.killed, low + random.below(high - low + 1));
      const importId = await site.upload();
      console.log(` import ${importId}: ${site.expected.rows.length} rows, up to ${kills} kills`);
      await killer.attack(importId, kills);
      await site.settle(importId);
    }
    report(site, killer);
  },
};

function report(site, killer) {
  const resumed = [...killer.resumed].sort((a, b) => a - b);
  const seconds = (share) => (resumed[Math.floor((resumed.length - 1) * share)] / 1000).toFixed(1);
  console.log(`   kills ${killer.killed} (${killer.places()})`);
  if (resumed.length > 0) {
    console.log(
      `   work taken up again after the restart: ${resumed.length} times, median ${seconds(0.5)} s, longest ${seconds(1)} s`,
    );
  }
  if (killer.late > 0) {
    site.deviates('not taken up', `within ${RESUME_LIMIT / 1000} s`, killer.late);
  }
}
