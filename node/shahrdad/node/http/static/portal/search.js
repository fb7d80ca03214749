/* The list follows what is typed. htmx is fetched when the box is first used, so that
   who only reads does not pay for it; without it the button sends the form. */
const box = document.getElementById("q")
const script = document.currentScript
box.addEventListener("focus", () => {
  const found = document.createElement("script")
  found.src = script.dataset.htmx
  // What was typed meanwhile counts, too.
  found.onload = () => setTimeout(() => {
    if (box.value !== box.defaultValue) box.dispatchEvent(new Event("input", {bubbles: true}))
  }, 50)
  document.head.append(found)
}, {once: true})
