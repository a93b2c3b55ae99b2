// Colours of the style sheet as a canvas needs them, and a call when they change.

const probe = document.createElement("span");
probe.hidden = true;

/** The computed colour of a custom property such as "--buy". */
export function colour(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

/** `changed` is called whenever dark became light or light dark. */
export function whenColoursChange(changed) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
