/* A published table, read from its Parquet files by ranges and drawn page by page. */
import { decompress } from "./fzstd.min.js";
import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from "./hyparquet.min.js";
import { cell, count, size } from "./parquet-cells.js";
import { Source } from "./parquet-source.js";

const FOOTER = 64 * 1024; // asked for first: of a small file it is all
const WHOLE_GROUP = 1024 * 1024; // a smaller row group comes whole: fewer requests
const NUMBERS = ["INT64", "INT32", "DOUBLE", "FLOAT"];
const compressors = { ZSTD: (input, length) => decompress(input, new Uint8Array(length)) };
const language = document.documentElement.lang;

async function json(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) { throw new Error(`HTTP ${answer.status}`); }
  return answer.json();
}

/* What the standard and the record say of the columns, by name. */
async function described({ schema, family }) {
  const [record, standard] = await Promise.all([json(schema), family ? json(family) : null]);
  const known = new Map((standard?.schema.fields ?? []).map((one) => [one.name, one]));
  return new Map(record.fields.map((one) => [one.name, { ...known.get(one.name), ...one, isStandard: known.has(one.name) }]));
}

function column({ element }, field = {}, units = {}) {
  const { isStandard, shahrdad: { kind, unit } = {} } = field;
  const isTime = element.converted_type === "DATE" || element.logical_type?.type === "TIMESTAMP";
  const local = language === "fa" ? "title" : "title_en";
  const label = language === "fa" ? "label" : "label_en";
  return {
    name: element.name,
    title: field[local] ?? element.name,
    unit: units[unit] ?? "",
    isNumber: element.decimal !== undefined || (NUMBERS.includes(element.type) && !isTime),
    isDay: element.converted_type === "DATE",
    isPlain: isStandard && kind !== "money" && !unit,
    scale: element.decimal,
    labels: new Map((field.categories ?? []).map((one) => [one.value ?? one, one[label]])),
  };
}

/* A sentence with its values isolated: numbers would change sides in a line of Persian. */
function sentence(template, values) {
  return template.split(/(\{\w+\})/).map((piece) => {
    const name = piece.slice(1, -1);
    if (!piece.startsWith("{") || !(name in values)) { return piece; }
    const found = document.createElement("bdi");
    found.textContent = values[name];
    return found;
  });
}

function made(name, more = {}, ...inside) {
  const { role, ...properties } = more;
  const found = Object.assign(document.createElement(name), properties);
  if (role) { found.setAttribute("role", role); }
  found.append(...inside);
  return found;
}

class Table {
  constructor(place, status) {
    this.words = place.dataset;
    this.status = status;
    this.sources = JSON.parse(place.dataset.parts).map((one) => new Source(one));
    this.pageRows = Number(place.dataset.page);
    this.rows = this.sources.reduce((sum, one) => sum + one.rows, 0);
    [this.caption, this.head, this.body] = ["caption", "thead", "tbody"].map((name) => made(name));
    [this.previous, this.next] = ["previous", "next"].map((name) =>
      made("button", { type: "button", className: `button quiet ${name}`, textContent: this.words[name] }));
    this.previous.addEventListener("click", () => this.turn(this.first - this.pageRows));
    this.next.addEventListener("click", () => this.turn(this.first + this.pageRows));
  }

  /* The frame that the rows go into: a region with a name, as around every wide table. */
  frame() {
    const { title, some, unchecked, verify } = this.words;
    const table = made("table", { className: "data" }, this.caption, this.head, this.body);
    this.scroll = made("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: title }, table);
    const link = made("a", { href: `/${language}/verify`, textContent: verify });
    return [
      ...(some ? [made("p", { textContent: some })] : []),
      made("div", { className: "frame" }, this.scroll),
      made("p", { className: "formats" }, this.previous, this.next),
      made("p", { className: "second" }, `${unchecked} `, link),
    ];
  }

  async metadata(source) {
    if (!source.metadata) {
      const found = await parquetMetadataAsync(source, { initialFetchSize: FOOTER });
      for (const one of found.schema) {
        if (one.converted_type === "DECIMAL") {
          one.decimal = one.scale ?? 0;
          delete one.converted_type;
          delete one.logical_type;
        }
      }
      source.metadata = found;
    }
    return source.metadata;
  }

  async open() {
    const [fields, metadata] = await Promise.all([described(this.words), this.metadata(this.sources[0])]);
    const units = JSON.parse(this.words.units);
    this.columns = parquetSchema(metadata).children.map((one) => column(one, fields.get(one.element.name), units));
    const rows = await this.fetch(0);
    this.head.append(made("tr", {}, ...this.columns.map((one) => made(
      "th", { scope: "col", className: one.isNumber ? "num" : "" },
      one.title, ...(one.unit ? [made("small", { textContent: one.unit })] : []),
    ))));
    this.status.after(...this.frame());
    this.show(0, rows);
    this.reveal();
  }

  /* Returns the rows of a page, of one part or of two neighbours. */
  async fetch(first) {
    const last = Math.min(first + this.pageRows, this.rows);
    const found = [];
    let start = 0;
    for (const file of this.sources) {
      const rowStart = Math.max(0, first - start), rowEnd = Math.min(file.rows, last - start);
      if (rowStart < rowEnd) {
        const metadata = await this.metadata(file);
        const useOffsetIndex = metadata.row_groups.some((one) => one.total_compressed_size > WHOLE_GROUP);
        found.push(...await parquetReadObjects({ file, metadata, rowStart, rowEnd, compressors, useOffsetIndex }));
      }
      start += file.rows;
    }
    return found;
  }

  show(first, rows) {
    this.first = first;
    this.body.replaceChildren(...rows.map((row) =>
      made("tr", {}, ...this.columns.map((one) => cell(row[one.name], one, this.words)))));
    const last = first + rows.length;
    const total = (name) => this.sources.reduce((sum, one) => sum + one[name], 0);
    this.caption.replaceChildren(...sentence(this.words.caption, {
      first: count(Math.min(first + 1, last)), last: count(last), rows: count(this.rows),
    }));
    this.status.replaceChildren(...sentence(this.words.figures, {
      rows: count(this.rows), columns: count(this.columns.length),
      read: size(total("read")), size: size(total("byteLength")),
    }));
    this.previous.disabled = first === 0;
    this.next.disabled = last >= this.rows;
  }

  /* Goes to the first row of a page: the table is taller than a window. */
  reveal() {
    this.scroll.focus({ preventScroll: true });
    this.status.scrollIntoView();
  }

  async turn(first) {
    this.previous.disabled = true;
    this.next.disabled = true;
    this.status.textContent = this.words.reading;
    try {
      this.show(first, await this.fetch(first));
      this.reveal();
    } catch (error) {
      this.status.replaceChildren(...sentence(this.words.failed, { reason: error.message }));
      this.previous.disabled = this.first === 0;
      this.next.disabled = this.first + this.pageRows >= this.rows;
    }
  }
}

export async function open(place, status) { await new Table(place, status).open(); }
