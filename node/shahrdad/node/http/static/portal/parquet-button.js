/* Shows the buttons that read a table in the browser. What reads it is fetched when a
   button is pressed, so that who does not press pays nothing. */
for (const place of document.querySelectorAll(".in-browser")) {
  const button = place.querySelector("button");
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  place.append(status);
  place.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    status.textContent = place.dataset.reading;
    try {
      const { open } = await import("./parquet-table.js");
      await open(place, status);
      button.remove();
    } catch (error) {
      const [before, after] = place.dataset.failed.split("{reason}");
      const reason = document.createElement("bdi");
      reason.textContent = error.message;
      status.replaceChildren(before, reason, after);
      button.disabled = false;
    }
  });
}
