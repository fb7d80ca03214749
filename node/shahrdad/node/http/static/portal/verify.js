/* The drop zone of /verify: the digest is computed here, and only the digest is sent. */
import { Sha256 } from "./sha256.js";

const PIECE = 4 * 1024 * 1024;
const drop = document.getElementById("drop");
const input = document.getElementById("file");
const progress = document.getElementById("progress");
const field = document.getElementById("sha256");
const form = document.getElementById("digest-form");

async function digest(file) {
  if (file.size <= PIECE && globalThis.crypto?.subtle) {
    const found = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return Array.from(new Uint8Array(found), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  const hash = new Sha256();
  for (let at = 0; at < file.size; at += PIECE) {
    hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    const done = Math.min(1, (at + PIECE) / file.size);
    progress.textContent = `${drop.dataset.working} ${done.toLocaleString(document.documentElement.lang, { style: "percent" })}`;
  }
  return hash.hex();
}

async function take(file) {
  if (!file) { return; }
  progress.textContent = drop.dataset.working;
  field.value = await digest(file);
  form.requestSubmit();
}

drop.hidden = false;
document.getElementById("file-form").hidden = true;
input.addEventListener("change", () => take(input.files[0]));
for (const name of ["dragover", "dragenter"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files[0]); });
