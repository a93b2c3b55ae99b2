// What a page is about stands behind the # of its address, as an id and further words: /office/property#ID.

/** The parts behind the #, such as [id]; empty for none. */
export function parts() {
  return location.hash.slice(1).split("/").filter(Boolean).map(decodeURIComponent);
}

/** The page opens anew when the reader goes to another id, or back. */
export function reopenOnChange() {
  addEventListener("hashchange", () => location.reload());
}
