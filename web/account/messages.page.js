// Every message to the reader, the newest first; seen here is read.

import { api } from "../api.js";
import { make } from "../shell/make.js";
import { openPage } from "../shell/page.js";
import { badge, fill } from "../shell/states.js";
import { panel, table } from "../shell/tables.js";
import { time } from "../shell/times.js";

openPage({
  title: "Messages",
  async show(main) {
    const body = make("div", { class: "flush" });
    main.append(panel("Latest messages", body));
    const draw = () => fill(body, () => api.get("/notifications"), (messages) => {
      for (const each of messages.filter(({ read_at }) => !read_at)) api.post(`/notifications/${each.notification_id}/read`).catch(() => {});
      return table({
        caption: "Messages",
        columns: [
          { name: "Message", cell: (each) => each.text },
          { name: "Kind", cell: (each) => badge(each.kind) },
          { name: "Came", cell: (each) => time(each.created_at) },
        ],
        rows: messages.toReversed(),
        none: { title: "No message yet", text: "What concerns you appears here at once: trades, settlements, dividends, reviews." },
      });
    });
    addEventListener("deedbook-message", draw);
    await draw();
  },
});
