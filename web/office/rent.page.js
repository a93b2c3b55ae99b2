// A tenant's own page: what is due, and paying it.

import { api } from "../api.js";
import { actionButton } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { usd } from "../shell/numbers.js";
import { badge, empty, notice } from "../shell/states.js";
import { facts, panel, table } from "../shell/tables.js";
import { calendarDay, time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { openOffice } from "./open.js";
import { watch } from "./watch.js";

const MONTHS_BACK = 2;
const PAYABLE = ["DUE", "OPEN"];
const failed = (problem) => toast(problem.message, "bad");

/** The months of a lease that can matter now, the newest first: from two back to the next one. */
function months(lease, now = new Date()) {
  const found = [];
  for (let ahead = 1; ahead >= -MONTHS_BACK; ahead -= 1) {
    const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1)).toISOString().slice(0, 10);
    if (first.slice(0, 7) < lease.starts_on.slice(0, 7) || (lease.ends_on && first > lease.ends_on)) continue;
    found.push(first.slice(0, 7));
  }
  return found;
}

async function load() {
  const [leases, payments] = await Promise.all([api.get("/leases"), api.get("/rent/payments")]);
  return { leases, payments };
}

function payButton(lease, period) {
  return actionButton("Pay", async () => {
    const link = await api.post("/rent/links", { lease_id: lease.lease_id, period });
    location.assign(link.url);
  }, { kind: "primary small", failed });
}

function leasePanel(lease, payments) {
  const rows = months(lease).map((period) => {
    const payment = payments.find((each) => each.lease_id === lease.lease_id && each.period === period);
    return { period, payment, state: payment?.state ?? "DUE", dueOn: payment?.due_on ?? `${period}-${String(lease.due_day).padStart(2, "0")}` };
  });
  return panel(`Unit ${lease.unit}`, make("div", { class: "column" },
    facts([["Rent", `${usd(lease.rent_usd)} a month`], ["Due", `on day ${lease.due_day}`], ["From", calendarDay(lease.starts_on)], ["Until", lease.ends_on ? calendarDay(lease.ends_on) : "open"]]),
    table({
      caption: `Months of unit ${lease.unit}`,
      rows,
      columns: [
        { name: "Month", cell: (each) => each.period },
        { name: "Rent", cell: (each) => usd(each.payment?.usd ?? lease.rent_usd), isNumber: true },
        { name: "Due", cell: (each) => calendarDay(each.dueOn) },
        { name: "State", cell: (each) => badge(each.state === "OPEN" ? "DUE" : each.state) },
        { name: "Paid", cell: (each) => time(each.payment?.paid_at ?? null) },
        { name: "", cell: (each) => (PAYABLE.includes(each.state) ? payButton(lease, each.period) : "") },
      ],
    })));
}

function earlier(payments, leases) {
  const recent = new Set(leases.flatMap((lease) => months(lease).map((period) => `${lease.lease_id} ${period}`)));
  const rows = payments.filter((each) => !recent.has(`${each.lease_id} ${each.period}`));
  return rows.length > 0 && panel("Earlier rents", table({
    caption: "Earlier rents",
    rows,
    columns: [
      { name: "Month", cell: (each) => each.period },
      { name: "Unit", cell: (each) => each.unit },
      { name: "Rent", cell: (each) => usd(each.usd), isNumber: true },
      { name: "State", cell: (each) => badge(each.state) },
      { name: "Paid", cell: (each) => time(each.paid_at) },
      { name: "Refunded", cell: (each) => (Number(each.refunded_usd) ? usd(each.refunded_usd) : "–"), isNumber: true },
    ],
  }));
}

openOffice({
  title: "Rent",
  needs: ["TENANT"],
  async show(main) {
    const page = make("div", { class: "column" });
    if (new URLSearchParams(location.search).has("session")) main.append(notice("good", "Thank you. Stripe has your payment; it shows here as soon as it has told us."));
    main.append(make("p", { class: "quiet" }, "You pay on Stripe's page and come back by its link; a payment shows here once Stripe has told us."), page);
    watch(page, load, ({ leases, payments }) => leases.length === 0
      ? empty("No lease yet", "Your property's manager adds it; you are told as soon as it is there.")
      : [...leases.map((lease) => leasePanel(lease, payments)), earlier(payments, leases)]);
  },
});
