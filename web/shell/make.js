// Elements in one call each.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. Of `properties`: `class`, `data` (an object), `on` (an object of listeners), `aria` (an object); a name that
 * the element has as a property (hidden, disabled, value, htmlFor ...) is set so, all else is an attribute.
 * Children are elements, texts, or arrays of them; null, undefined and false are left out. Text is never read as HTML.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) element.setAttribute(`aria-${key}`, text);
    else if (name === "on") for (const [key, listener] of Object.entries(value)) element.addEventListener(key, listener);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A stroked picture of 24 units, for the eye only. */
export function icon(path) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  picture.append(line);
  return picture;
}

/** Set an element's text only where it changes, so that nothing is laid out anew for the same. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A page's own style sheet; resolves once it counts, or at once where it is there already. */
export function styled(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => document.head.append(make("link", { rel: "stylesheet", href, on: { load: resolve, error: resolve } })));
}
