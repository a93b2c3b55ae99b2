// An instrument's trading days and the times of its phases, in its own time zone.

import { api } from "../api.js";
import { confirmed, dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { empty, notice, words } from "../shell/states.js";
import { facts, panel } from "../shell/tables.js";
import { calendarDay, time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { has } from "./roles.js";
import { watch } from "./watch.js";

const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const TIMES = [["pre_open", "Pre-open", "08:00"], ["opening_call", "Opening call", "08:50"], ["continuous", "Trading", "09:00"], ["closing_call", "Closing call", "17:25"], ["close", "Closes", "17:30"]];
const TRADING = ["CONTINUOUS", "LIMIT_ONLY", "PERIODIC_CALL"];
const failed = (problem) => toast(problem.message, "bad");

async function load(symbol) {
  const { instruments } = await api.get("/operations/controls");
  const { instrument, schedule } = instruments.find((each) => each.symbol === symbol);
  return { instrument, schedule };
}

function edit({ instrument, schedule }, symbol, reload) {
  const shown = dialog(`Schedule of ${symbol}`, make("p", { class: "quiet" }, "Two equal times leave a part out. Outside of the day only cancels are taken."), form({
    fields: [
      { name: "zone", label: "Time zone", value: schedule?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone, autocomplete: "off" },
      ...DAYS.map((label, index) => ({ name: `day${index + 1}`, label, type: "checkbox", required: false, checked: schedule ? schedule.weekdays.includes(index + 1) : index < 5 })),
      ...TIMES.map(([name, label, usual]) => ({ name, label, type: "time", value: schedule?.[name].slice(0, 5) ?? usual })),
      { name: "trading", label: "Trading is", type: "select", value: schedule?.trading, options: TRADING.map((each) => [each, words(each)]) },
      { name: "holidays", label: "Days without trading", type: "textarea", required: false, value: schedule?.holidays.join("\n"), help: "One a line, such as 2026-12-24" },
    ],
    submit: "Set the schedule",
    send: async (values) => {
      await api.put(`/operations/schedules/${instrument}`, {
        zone: values.zone,
        weekdays: DAYS.map((_, index) => index + 1).filter((day) => values[`day${day}`]),
        ...Object.fromEntries(TIMES.map(([name]) => [name, `${values[name]}:00`])),
        trading: values.trading,
        holidays: (values.holidays ?? "").split(/\s+/).filter(Boolean),
      });
      toast(`The schedule of ${symbol} is set.`, "good");
      shown.close();
      reload();
    },
  }));
}

async function remove(instrument, symbol, reload) {
  if (!(await confirmed(`Remove the schedule of ${symbol}`, "It stays in the phase in which it is.", "Remove it", true))) return;
  await api.remove(`/operations/schedules/${instrument}`);
  reload();
}

function text(schedule) {
  return make("div", { class: "column" },
    schedule.due_at === null && notice("warn", "Somebody has this instrument in hand: the schedule waits until it is given back, or until a halt is lifted."),
    facts([
      ["Time zone", schedule.zone],
      ["Trading days", schedule.weekdays.map((day) => DAYS[day - 1]).join(", ") || "none"],
      ...TIMES.map(([name, label]) => [label, schedule[name].slice(0, 5)]),
      ["Trading is", words(schedule.trading)],
      ["Days without trading", schedule.holidays.length ? schedule.holidays.map(calendarDay).join(", ") : "none"],
      ["Next change", schedule.due_at && time(schedule.due_at)],
    ]));
}

/** The schedule of an instrument, and what the reader may do to it. */
export function schedulePanel(symbol, who) {
  const place = make("div");
  const isAdmin = has(who, "ADMIN");
  const isOperator = has(who, "ADMIN", "SETTLEMENT_OPERATOR");
  const reload = watch(place, () => load(symbol), ({ instrument, schedule }) => {
    const again = () => reload();
    const change = isAdmin && actionButton(schedule ? "Change it" : "Set a schedule", () => edit({ instrument, schedule }, symbol, again), { failed });
    if (!schedule) return empty("No schedule", "Its phases are set by hand.", change || undefined);
    return make("div", { class: "column" }, text(schedule), make("div", { class: "buttons" },
      isOperator && schedule.due_at === null && actionButton("Give it back to the schedule", async () => {
        await api.post(`/operations/schedules/${instrument}/resume`);
        reload();
      }, { kind: "primary", failed }),
      change,
      isAdmin && actionButton("Remove it", () => remove(instrument, symbol, again), { failed })));
  });
  return panel("Schedule", place);
}
