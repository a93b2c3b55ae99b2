// The office's pages: the common frame with a style sheet of their own.

import { make } from "../shell/make.js";
import { openPage } from "../shell/page.js";

/** As openPage. */
export function openOffice(page) {
  document.head.append(make("link", { rel: "stylesheet", href: "/office/office.css" }));
  return openPage(page);
}
