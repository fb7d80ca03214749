/* SHA-256 (FIPS 180-4) over pieces, since crypto.subtle.digest takes a whole message.
   Written for this project; no parts of others. */
const K = new Uint32Array(64);
const START = new Uint32Array(8);

/* The constants are the first 32 bits of the fractions of roots of primes. They are
   computed with whole numbers, so that no table can be mistyped. */
function root(prime, degree) {
  const target = BigInt(prime) << BigInt(32 * degree);
  let low = 0n, high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(degree) <= target) { low = middle; } else { high = middle; }
  }
  return Number(low & 0xffffffffn);
}
for (let candidate = 2, count = 0; count < 64; candidate += 1) {
  let prime = true;
  for (let d = 2; d * d <= candidate; d += 1) { if (candidate % d === 0) { prime = false; break; } }
  if (!prime) { continue; }
  if (count < 8) { START[count] = root(candidate, 2); }
  K[count] = root(candidate, 3);
  count += 1;
}

export class Sha256 {
  constructor() {
    this.state = START.slice();
    this.rest = new Uint8Array(64);
    this.held = 0;
    this.length = 0;
    this.words = new Uint32Array(64);
  }

  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    while (at < bytes.length) {
      const taken = Math.min(64 - this.held, bytes.length - at);
      this.rest.set(bytes.subarray(at, at + taken), this.held);
      this.held += taken;
      at += taken;
      if (this.held === 64) { this.block(); this.held = 0; }
    }
    return this;
  }

  block() {
    const w = this.words;
    const view = new DataView(this.rest.buffer);
    for (let t = 0; t < 16; t += 1) { w[t] = view.getUint32(4 * t); }
    const turn = (x, n) => (x >>> n) | (x << (32 - n));
    for (let t = 16; t < 64; t += 1) {
      const s0 = turn(w[t - 15], 7) ^ turn(w[t - 15], 18) ^ (w[t - 15] >>> 3);
      const s1 = turn(w[t - 2], 17) ^ turn(w[t - 2], 19) ^ (w[t - 2] >>> 10);
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = this.state;
    for (let t = 0; t < 64; t += 1) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + w[t]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((value, n) => { this.state[n] += value; });
  }

  hex() {
    const bits = BigInt(this.length) * 8n;
    const zeros = (this.held < 56 ? 55 : 119) - this.held;
    const end = new Uint8Array(1 + zeros + 8);
    end[0] = 0x80;
    new DataView(end.buffer).setBigUint64(1 + zeros, bits);
    this.update(end);
    return Array.from(this.state, (word) => word.toString(16).padStart(8, "0")).join("");
  }
}
