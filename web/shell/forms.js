// Forms: labelled fields, one button, and what went wrong said beside it.

import { make } from "./make.js";

let forms = 0;

/**
 * A form that sends its values and shows why it could not.
 *
 * fields  [{name, label, type, value, help, required, options, unit, ...attributes}]; `type` as of <input>, or "select"
 *         (`options`: [value, text] pairs) or "textarea"; an optional field (`required: false`) that is left empty is left out
 * send    async (values, form) => ...; what it throws is shown, on the field that `extra.field` names if it does
 */
export function form({ fields, submit, send, isInline = false, kind = "primary" }) {
  const number = ++forms;
  const button = make("button", { type: "submit", class: kind }, submit);
  const trouble = make("p", { class: "trouble", role: "alert", hidden: true });
  const rows = fields.map((field) => row(field, `form${number}-${field.name}`));
  const element = make("form", { class: isInline ? "inline" : "stacked", noValidate: true }, rows, trouble, make("div", { class: "buttons" }, button));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble.hidden = true;
    const missing = [...element.elements].find((each) => each.willValidate && !each.checkValidity());
    if (missing) return complain(missing, missing.validationMessage);
    button.disabled = true;
    element.setAttribute("aria-busy", "true");
    try {
      await send(values(element, fields), element);
    } catch (problem) {
      if (!("reason" in problem || problem instanceof RangeError)) console.error(problem);
      complain(element.elements[problem.extra?.field], problem.message);
    } finally {
      button.disabled = false;
      element.setAttribute("aria-busy", "false");
    }
  });
  function complain(field, text) {
    trouble.textContent = field?.labels?.[0] ? `${field.labels[0].dataset.name}: ${text}` : text;
    trouble.hidden = false;
    field?.focus();
  }
  return element;
}

function row({ name, label, help, unit, options, type = "text", required = true, value, ...attributes }, id) {
  const described = help ? { describedby: `${id}-help` } : {};
  const shared = { id, name, required, aria: described, ...attributes };
  const input =
    type === "select" ? make("select", shared, (options ?? []).map(([each, text]) => make("option", { value: each, selected: each === value }, text)))
    : type === "textarea" ? make("textarea", { rows: 3, ...shared, value: value ?? "" })
    : make("input", { type, ...shared, ...(value === undefined || type === "file" ? {} : { value }) });
  return make(
    "div", { class: `field${type === "checkbox" ? " check" : ""}` },
    make("label", { htmlFor: id, data: { name: label } }, label, !required && type !== "checkbox" && make("span", { class: "quiet" }, " (optional)")),
    unit ? make("div", { class: "with-unit" }, input, make("span", { class: "unit" }, unit)) : input,
    help && make("p", { class: "help", id: `${id}-help` }, help),
  );
}

/** Texts by name; a checkbox is true or false, a file its File. */
function values(element, fields) {
  const found = {};
  for (const { name, type, required = true } of fields) {
    const input = element.elements[name];
    const value = type === "checkbox" ? input.checked : type === "file" ? input.files[0] : input.value.trim();
    if (value || required || type === "checkbox") found[name] = value;
  }
  return found;
}

/** A button that works until `act` is done; what it throws goes to `failed`. */
export function actionButton(text, act, { kind = "", failed } = {}) {
  const button = make("button", { type: "button", class: kind }, text);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await act();
    } catch (problem) {
      if (!failed) throw problem;
      failed(problem);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}
