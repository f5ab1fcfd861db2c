import { Failure } from '../lib/project.mjs';
import { onNpmGone } from '../lib/run.mjs';
import { removePlaces } from './place.mjs';
import { killProcesses } from './program.mjs';

/**
 * Does `work`, which may ask a signal whether it was told to end; at its end, and when this script is told to end, kills the processes of the program and takes away what was
 * made for them.
 */
export async function guarded(work) {
  const ended = new AbortController();
  const interrupted = new Promise((_, refuse) => {
    const reject = (failure) => {
      ended.abort(failure);
      refuse(failure);
    };
    for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
      process.on(signal, () => reject(new Failure(`ended by ${signal}`, code)));
    }
    onNpmGone(() => reject(new Failure('ended with npm', 143)));
  });
  try {
    // What is left of the work when it was interrupted ends by itself: its processes and stores are gone.
    return await Promise.race([work(ended.signal), interrupted]);
  } finally {
    killProcesses();
    await removePlaces();
  }
}
