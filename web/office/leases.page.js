// Who lives where: leases, each month's rent, and the links by which it is paid.

import { api } from "../api.js";
import { dialog } from "../shell/dialogs.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { usd } from "../shell/numbers.js";
import { badge } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { calendarDay, time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";
import { openOffice } from "./open.js";
import { parts, reopenOnChange } from "./place.js";
import { propertyHead, propertyOf } from "./property.js";
import { watch } from "./watch.js";

const failed = (problem) => toast(problem.message, "bad");
const today = () => new Date().toISOString().slice(0, 10);

function newLease(propertyId, reload) {
  return form({
    fields: [
      { name: "unit", label: "Unit", maxLength: 40, help: "Such as 2B." },
      { name: "tenant_email", label: "Tenant's e-mail", type: "email", help: "Who has no account yet is invited." },
      { name: "rent_usd", label: "Rent", unit: "USD a month", inputMode: "decimal" },
      { name: "due_day", label: "Due on day", type: "number", min: 1, max: 28, value: 1 },
      { name: "starts_on", label: "First day", type: "date", value: `${today().slice(0, 7)}-01` },
      { name: "ends_on", label: "Last day", type: "date", required: false },
    ],
    submit: "Add the lease",
    send: async (values, element) => {
      await api.post(`/properties/${propertyId}/leases`, { ...values, due_day: Number(values.due_day) });
      toast("The lease is added; its tenant is told.", "good");
      element.reset();
      reload();
    },
  });
}

function endLease(lease, reload) {
  const shown = dialog(`End the lease of unit ${lease.unit}`, form({
    fields: [{ name: "ends_on", label: "Last day", type: "date", value: lease.ends_on ?? today(), min: lease.starts_on }],
    submit: "Set its last day", kind: "danger",
    send: async (body) => {
      await api.post(`/leases/${lease.lease_id}/end`, body);
      toast("The tenant is told.", "good");
      shown.close();
      reload();
    },
  }));
}

/** Stripe's page for one month; opened once, it stays the same until it ends. */
async function rentLink(lease, period) {
  const link = await api.post("/rent/links", { lease_id: lease.lease_id, period });
  dialog(
    `Rent of unit ${lease.unit} for ${link.period}`,
    make("p", {}, `${usd(link.usd)}, due on ${calendarDay(link.due_on)}. The link is good until `, time(link.expires_at), "."),
    make("input", { type: "text", readOnly: true, value: link.url, aria: { label: "Link to the payment page" }, on: { focus: ({ target }) => target.select() } }),
    make("div", { class: "buttons" }, actionButton("Copy the link", async () => {
      await navigator.clipboard.writeText(link.url);
      toast("Copied. Send it to the tenant.", "good");
    }, { kind: "primary", failed })),
  );
}

function askPeriod(lease) {
  const shown = dialog(`A rent link for unit ${lease.unit}`, form({
    fields: [{ name: "period", label: "Month", type: "month", value: today().slice(0, 7), pattern: "[0-9]{4}-[0-9]{2}" }],
    submit: "Make the link",
    send: async ({ period }) => {
      await rentLink(lease, period);
      shown.close();
    },
  }));
}

function leasesTable(isOwn, reload) {
  return (leases) => table({
    caption: "Leases",
    rows: leases,
    columns: [
      { name: "Unit", cell: (each) => each.unit },
      { name: "Tenant", cell: (each) => each.tenant_email },
      { name: "Rent a month", cell: (each) => usd(each.rent_usd), isNumber: true },
      { name: "Due", cell: (each) => `day ${each.due_day}`, isNumber: true },
      { name: "From", cell: (each) => calendarDay(each.starts_on) },
      { name: "Until", cell: (each) => (each.ends_on ? calendarDay(each.ends_on) : "open") },
      ...(isOwn ? [{
        name: "", cell: (each) => make("div", { class: "buttons" },
          actionButton("Rent link", () => askPeriod(each), { kind: "small", failed }),
          actionButton("End", () => endLease(each, reload), { kind: "small", failed })),
      }] : []),
    ],
    none: { title: "No lease yet", text: isOwn ? "Add one below; its tenant can then pay rent here." : "Its manager has added none." },
  });
}

function paymentsTable(payments) {
  return table({
    caption: "Rents by month",
    rows: payments,
    columns: [
      { name: "Month", cell: (each) => each.period },
      { name: "Unit", cell: (each) => each.unit },
      { name: "Rent", cell: (each) => usd(each.usd), isNumber: true },
      { name: "Due", cell: (each) => calendarDay(each.due_on) },
      { name: "State", cell: (each) => badge(each.state) },
      { name: "Paid", cell: (each) => time(each.paid_at) },
      { name: "Refunded", cell: (each) => (Number(each.refunded_usd) ? usd(each.refunded_usd) : "–"), isNumber: true },
      { name: "Disputed", cell: (each) => (Number(each.disputed_usd) ? usd(each.disputed_usd) : "–"), isNumber: true },
    ],
    none: { title: "No rent yet", text: "A month is listed once a link to pay it was made." },
  });
}

openOffice({
  title: "Leases and rent",
  needs: ["PROPERTY_MANAGER", "ADMIN"],
  isTitled: false,
  async show(main, who) {
    const [id] = parts();
    reopenOnChange();
    const property = await propertyOf(id);
    const isOwn = property.manager_id === who.user_id;
    const [leases, payments] = [make("div"), make("div")];
    document.title = `Leases of ${property.terms.name} · Deedbook`;
    const reload = watch(leases, () => api.get(`/properties/${id}/leases`), (found) => leasesTable(isOwn, () => reload())(found));
    watch(payments, () => api.get("/rent/payments", { property_id: id }), paymentsTable);
    main.append(...propertyHead(property, who), panel("Leases", leases), panel("Rent", payments));
    if (isOwn && property.state !== "CLOSED") {
      const add = newLease(id, () => reload());
      add.classList.add("two-columns");
      main.append(panel("Add a lease", add));
    }
  },
});
