// Dialogs over the page, by the browser's own element: it keeps the focus inside and closes on Escape.

import { make } from "./make.js";

/** Shows `body` (elements) under a title. Answers the element; it is gone from the page once it is closed. */
export function dialog(title, ...body) {
  const close = make("button", { class: "quiet-button", type: "button", aria: { label: "Close" } }, "×");
  const heading = make("h2", {}, title);
  const element = make("dialog", { aria: { label: title } }, make("div", { class: "head" }, heading, close), make("div", { class: "body" }, ...body));
  close.addEventListener("click", () => element.close());
  element.addEventListener("click", (event) => event.target === element && element.close());
  element.addEventListener("close", () => element.remove());
  document.body.append(element);
  element.showModal();
  return element;
}

/** Asks yes or no; `text` is a sentence or elements. Resolves to true only for the button with `action` on it. */
export function confirmed(title, text, action, isDangerous = false) {
  return new Promise((resolve) => {
    const yes = make("button", { type: "button", class: isDangerous ? "danger" : "primary" }, action);
    const no = make("button", { type: "button" }, "Not now");
    const element = dialog(title, make("div", { class: "text" }, text), make("div", { class: "buttons" }, no, yes));
    let answer = false;
    yes.addEventListener("click", () => {
      answer = true;
      element.close();
    });
    no.addEventListener("click", () => element.close());
    element.addEventListener("close", () => resolve(answer));
    yes.focus();
  });
}
