// The exchange's counters and histograms, as Prometheus writes them.

const LINE = /^([a-z_]+)(?:\{le="([^"]+)"\})? (\S+)$/;

/** What the text says now, with when it was read (milliseconds of this page's own clock). */
export class Measures {
  constructor(text, atMs) {
    this.atMs = atMs;
    this.values = new Map();
    this.buckets = new Map(); // by histogram, [[upper bound in seconds, count up to it]] in order
    for (const line of text.split("\n")) {
      const [, name, bound, value] = LINE.exec(line) ?? [];
      if (!name) continue;
      if (bound === undefined) this.values.set(name, Number(value));
      else this.#bucket(name.replace(/_bucket$/, ""), bound === "+Inf" ? Infinity : Number(bound), Number(value));
    }
  }

  #bucket(name, bound, count) {
    if (!this.buckets.has(name)) this.buckets.set(name, []);
    this.buckets.get(name).push([bound, count]);
  }

  value(name) {
    return this.values.get(name) ?? 0;
  }
}

/** A second, between two readings. */
export function rate(before, after, name) {
  const seconds = (after.atMs - before.atMs) / 1000;
  return seconds > 0 ? Math.max(0, after.value(name) - before.value(name)) / seconds : 0;
}

/** The share's upper bound in seconds of what a histogram counted between two readings; null where that is nothing. */
export function quantile(before, after, name, share) {
  const earlier = new Map(before.buckets.get(name) ?? []);
  const counted = (after.buckets.get(name) ?? []).map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)]);
  const all = counted.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  const index = counted.findIndex(([, count]) => count >= share * all);
  const [bound, count] = counted[index];
  const [lower, under] = index === 0 ? [0, 0] : counted[index - 1];
  if (bound === Infinity) return lower;
  return count === under ? bound : lower + ((bound - lower) * (share * all - under)) / (count - under);
}

/** Throws an Error where it cannot be read. */
export async function read() {
  const response = await fetch("/metrics", { credentials: "same-origin", cache: "no-store" }).catch(() => null);
  if (!response?.ok) throw new Error("The exchange's measures cannot be read.");
  return new Measures(await response.text(), performance.now());
}
