// One market, live: book, charts, trades; and for who is signed in, the ticket, their orders and their fills.

import { machine } from "./api.js";
import { MarketView } from "./market/view.js";
import { openPage } from "./shell/page.js";
import { styled } from "./shell/make.js";

openPage({
  title: "Market",
  needs: "nobody",
  isTitled: false,
  isWide: true,
  async show(main, who) {
    for (const href of ["/lib/uplot.css", "/market/market.css"]) await styled(href);
    const { restPort, websocketPort } = await machine();
    const host = location.hostname;
    const view = new MarketView(`http://${host}:${restPort}`, `ws://${host}:${websocketPort}`, who);
    main.append(view.element);
    await view.start();
  },
});
