// Trading by keys. A key means something only where no field has the focus, but for Enter and Escape in the ticket.

export const KEYS = [
  ["b", "Buy, and type a quantity"],
  ["s", "Sell, and type a quantity"],
  ["↑ ↓", "Price one step up or down"],
  ["j", "Join the best price of your side"],
  ["Enter", "Place the order"],
  ["Esc", "Leave the field"],
  ["o f m", "Open orders, fills, balances"],
  ["x", "Cancel all open orders here, after a question"],
];

/** `view` is the market page. */
export function listen(view) {
  const { ticket, orders } = view;
  const side = (name) => {
    ticket.choose(name);
    ticket.quantity.focus();
    ticket.quantity.select();
  };
  const acts = {
    b: () => side("BUY"),
    s: () => side("SELL"),
    j: () => view.bestOfOwnSide !== null && ticket.setPrice(view.bestOfOwnSide),
    o: () => orders.choose("orders"),
    f: () => orders.choose("fills"),
    m: () => orders.choose("balances"),
    x: () => !orders.all.hidden && orders.all.click(),
    ArrowUp: () => ticket.move(1),
    ArrowDown: () => ticket.move(-1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input, select, textarea, [tabindex='0'], summary");
    const isTicketNumber = ticket.numbers.includes(event.target);
    if (event.key === "Escape" && field) return field.blur();
    if (field && !(isTicketNumber && event.key.startsWith("Arrow"))) return;
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
