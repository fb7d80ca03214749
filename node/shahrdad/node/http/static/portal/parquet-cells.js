/* Values of a Parquet file as the pages of the node show them. */
const language = document.documentElement.lang;
const YEARS = [1000n, 9999n]; // a year is no amount: 1404 has no thousands separator
const LONG_LETTERS = 24;
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 6 });
const counted = new Intl.NumberFormat(language);
const jalali = new Intl.DateTimeFormat("fa-u-ca-persian-nu-arabext", {
  year: "numeric", month: "2-digit", day: "2-digit", timeZone: "UTC",
});

export function count(value) { return counted.format(value); }

export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  let value = bytes, step = 0;
  while (value >= 999.5 && step < units.length - 1) { value /= 1000; step += 1; }
  return value.toLocaleString(language, {
    style: "unit", unit: units[step], unitDisplay: language === "fa" ? "long" : "short",
    maximumFractionDigits: step && value < 100 ? 1 : 0,
  });
}

/* Decimals stay whole numbers until here, since as fractions they would lose digits. */
function decimal(value, scale) {
  let whole = value;
  if (value instanceof Uint8Array) {
    whole = value.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    whole = BigInt.asIntN(8 * value.length, whole);
  }
  const digits = String(whole).replace("-", "").padStart(scale + 1, "0");
  const sign = whole < 0 ? "-" : "";
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, "");
  const front = grouped.format(BigInt(digits.slice(0, digits.length - scale)));
  return sign + front + (scale && fraction ? `.${fraction}` : "");
}

function day(value) {
  const iso = value.toISOString().slice(0, 10);
  if (language !== "fa") { return { text: iso, title: iso }; }
  const parts = Object.fromEntries(jalali.formatToParts(value).map((one) => [one.type, one.value]));
  return { text: `${parts.year}/${parts.month}/${parts.day}`, title: iso };
}

function whole(value, column) {
  const isYear = column.isPlain && YEARS[0] <= value && value <= YEARS[1];
  return isYear ? String(value) : grouped.format(value);
}

/* Returns the text of a cell, and its title where the text is not what the file holds. */
export function shown(value, column, words) {
  if (value === null || value === undefined) { return { text: "–" }; }
  if (column.scale !== undefined) { return { text: decimal(value, column.scale) }; }
  if (typeof value === "boolean") { return { text: value ? words.yes : words.no }; }
  if (typeof value === "bigint") { return { text: whole(value, column) }; }
  if (typeof value === "number") { return { text: grouped.format(value) }; }
  if (value instanceof Date) {
    if (column.isDay) { return day(value); }
    return { text: `${value.toISOString().slice(0, 16).replace("T", " ")}+00:00` };
  }
  if (Array.isArray(value)) { return { text: value.join(language === "fa" ? "، " : ", ") }; }
  const label = column.labels.get(value);
  return label ? { text: label, title: value } : { text: String(value) };
}

export function cell(value, column, words) {
  const { text, title } = shown(value, column, words);
  const found = document.createElement("td");
  const isNone = value === null || value === undefined;
  found.classList.toggle("none", isNone);
  found.classList.toggle("num", column.isNumber);
  found.classList.toggle("text", !column.isNumber && text.length > LONG_LETTERS);
  found.classList.toggle("digits", /^[0-9,./-]+$/.test(text));
  if (title) { found.title = title; }
  const inner = document.createElement("bdi");
  inner.textContent = text;
  found.append(column.isNumber ? text : inner);
  return found;
}
