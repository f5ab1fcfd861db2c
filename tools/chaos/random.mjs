/** Random numbers that a seed repeats (mulberry32). */
export class Random {
  /** @param {number} seed 0 to 2^32-1 */
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** 0 ≤ x < 1 */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number 0 ≤ n < limit. */
  below(limit) {
    return Math.floor(this.next() * limit);
  }

  pick(values) {
    return values[this.below(values.length)];
  }

  /** One of the keys, each as often as its weight says. */
  weighted(weights) {
    const entries = Object.entries(weights);
    let at = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      at -= weight;
      if (at < 0) return key;
    }
    return entries.at(-1)[0];
  }
}
