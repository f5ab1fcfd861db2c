import { Injectable } from '@nestjs/common';

/** Pauses between attempts, in milliseconds: each twice the one before. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

/**
 * What this process knows of imports that wait for something outside. It is in the store too, where that can be written; in the embedded
 * profile, where a full disk keeps the store from being written, whoever asks is told from here.
 */
@Injectable()
export class ImportWaits {
  private readonly waits = new Map<number, { code: string; until: number; tries: number }>();

  /** How long to wait before the next attempt, in milliseconds. */
  pause(importId: number): number {
    return Math.min(FIRST_PAUSE * 2 ** (this.waits.get(importId)?.tries ?? 0), LONGEST_PAUSE);
  }

  /** @param time how long this is true at most, in milliseconds */
  say(importId: number, code: string, time: number): void {
    const tries = (this.waits.get(importId)?.tries ?? 0) + 1;
    this.waits.set(importId, { code, until: Date.now() + time, tries });
  }

  over(importId: number): void {
    this.waits.delete(importId);
  }

  /** @returns null when this process knows of nothing */
  codeOf(importId: number): string | null {
    const wait = this.waits.get(importId);
    return wait && wait.until > Date.now() ? wait.code : null;
  }
}
