import { errorFields, logOf } from './logger';

/** The longest pause after repeated failures, in milliseconds. */
const MAX_PAUSE = 30_000;

/**
 * Background work that runs when there is some: after a nudge, and every `interval` milliseconds in case a nudge was lost.
 * A failing turn is logged and tried again with growing pauses; it never ends the loop.
 */
export class Loop {
  private readonly log = logOf('loop');
  private stopping = false;
  private nudged = false;
  private wake: () => void = () => undefined;
  private running: Promise<void> | null = null;
  private failures = 0;

  /** @param turn does some work; returns whether to run again at once */
  constructor(
    private readonly name: string,
    private readonly interval: number,
    private readonly turn: () => Promise<boolean>,
  ) {}

  start(): void {
    this.running ??= this.run();
  }

  nudge(): void {
    this.nudged = true;
    this.wake();
  }

  /** Resolves when the current turn has ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      this.nudged = false;
      let again = false;
      try {
        again = await this.turn();
        this.failures = 0;
      } catch (error) {
        this.failures++;
        this.log.error(
          { loop: this.name, failures: this.failures, ...errorFields(error) },
          'Background work failed; it will be tried again.',
        );
      }
      if (!this.stopping && !again && (!this.nudged || this.failures > 0)) await this.pause();
    }
  }

  private pause(): Promise<void> {
    const time = this.failures === 0 ? this.interval : Math.min(this.interval * 2 ** (this.failures - 1), MAX_PAUSE);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, time);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
