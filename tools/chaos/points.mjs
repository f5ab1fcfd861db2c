/** The fail points of the program, and among how many passings one is chosen: so many come in every import of these. */
export const POINTS = {
  'import.claimed': 2,
  'import.staged': 1,
  'import.planned': 1,
  'chunk.claimed': 8,
  'chunk.rows-written': 8,
  'chunk.before-commit': 8,
  'chunk.after-commit': 8,
  'import.completing': 1,
  'relay.before-publish': 3,
  'relay.after-publish': 3,
  'consumer.before-effect': 8,
  'consumer.before-ack': 8,
};

/** `kill -9` of the process that works, by itself, at a named place of the program. */
export const pointFaults = Object.entries(POINTS).map(([point, passings]) => ({
  name: point,
  group: 'points',
  about: `the process kills itself (SIGKILL) at fail point ${point}`,
  profiles: ['embedded', 'services'],
  run: async (site) => {
    const victim = await site.arm(`${point}:${1 + site.random.below(passings)}`);
    const importId = await site.upload();
    await site.died(victim, point);
    site.restore();
    const since = Date.now();
    await site.ready();
    await site.settle(importId, since);
  },
}));
