import { writeSync } from 'node:fs';

/** Places in the program where a test may end or freeze the process, to see what a crash right there leaves behind. */
export const FAIL_POINTS = [
  'import.claimed',
  'import.staged',
  'import.planned',
  'chunk.claimed',
  'chunk.rows-written',
  'chunk.before-commit',
  'chunk.after-commit',
  'import.completing',
  'plan.before-settle',
  'undo.before-commit',
  'undo.after-commit',
  'relay.before-publish',
  'relay.after-publish',
  'consumer.before-effect',
  'consumer.before-ack',
] as const;

export type FailPoint = (typeof FAIL_POINTS)[number];

/** What happens at a point when it is passed for the nth time: `kill -9` of the process by itself, or a freeze until SIGCONT. */
export interface ArmedFailPoint {
  point: FailPoint;
  nth: number;
  action: 'kill' | 'stop';
}

let armed: { point: FailPoint; left: number; action: ArmedFailPoint['action'] }[] = [];

/** Arms points for the rest of the process's life. Only the boot calls this, with what the configuration names. */
export function armFailPoints(points: readonly ArmedFailPoint[]): void {
  armed = points.map(({ point, nth, action }) => ({ point, left: nth, action }));
}

/** Does nothing, unless a test armed this point. */
export function failPoint(point: FailPoint): void {
  if (armed.length === 0) return;
  const hit = armed.find((each) => each.point === point && --each.left === 0);
  if (!hit) return;
  // Synchronous and past the log: nothing of this process runs after the signal.
  writeSync(2, `fail point ${point}: ${hit.action}\n`);
  process.kill(process.pid, hit.action === 'kill' ? 'SIGKILL' : 'SIGSTOP');
}
