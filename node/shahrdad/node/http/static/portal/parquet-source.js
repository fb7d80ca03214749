/* A file of the node as pieces of it: what is wanted at one time comes in few requests,
   and what was read once is not asked for again. */
const GAP = 16 * 1024; // pieces nearer than this come together
const KEPT_MAX = 64; // pieces in memory

export class Source {
  constructor({ address, bytes, rows }) {
    this.address = address;
    this.byteLength = bytes;
    this.rows = rows;
    this.read = 0;
    this.held = [];
    this.wanted = [];
  }

  slice(start, end = this.byteLength) {
    const held = this.held.find((one) => one.start <= start && end <= one.end);
    if (held) { return held.bytes.slice(start - held.start, end - held.start); }
    return new Promise((resolve, reject) => {
      this.wanted.push({ start, end, resolve, reject });
      if (this.wanted.length === 1) { setTimeout(() => this.ask()); }
    });
  }

  ask() {
    const runs = [];
    for (const one of this.wanted.sort((a, b) => a.start - b.start)) {
      const run = runs.at(-1);
      if (run && one.start <= run.end + GAP) {
        run.end = Math.max(run.end, one.end);
        run.wanted.push(one);
      } else {
        runs.push({ start: one.start, end: one.end, wanted: [one] });
      }
    }
    this.wanted = [];
    for (const run of runs) { this.answer(run); }
  }

  async answer({ start, end, wanted }) {
    try {
      const bytes = await this.fetch(start, end);
      this.held.push({ start, end, bytes });
      if (this.held.length > KEPT_MAX) { this.held.shift(); }
      for (const one of wanted) { one.resolve(bytes.slice(one.start - start, one.end - start)); }
    } catch (error) {
      for (const one of wanted) { one.reject(error); }
    }
  }

  async fetch(start, end) {
    const answer = await fetch(this.address, { headers: { Range: `bytes=${start}-${end - 1}` } });
    if (!answer.ok) { throw new Error(`HTTP ${answer.status}`); }
    const found = await answer.arrayBuffer();
    this.read += found.byteLength;
    // Whoever stands between may have dropped the range and sent the whole file.
    const bytes = answer.status === 206 ? found : found.slice(start, end);
    if (bytes.byteLength !== end - start) { throw new Error(`${bytes.byteLength} ≠ ${end - start}`); }
    return bytes;
  }
}
