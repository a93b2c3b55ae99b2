// The markets: every listed property with its price, change, yield and phase.

import { machine } from "./api.js";
import { MarketList } from "./market/list.js";
import { make } from "./shell/make.js";
import { openPage } from "./shell/page.js";

openPage({
  title: "Markets",
  needs: "nobody",
  async show(main) {
    const { restPort } = await machine();
    const list = new MarketList(`http://${location.hostname}:${restPort}`);
    main.append(make("p", { class: "quiet" }, "Each property is one token, quoted in USDC. Prices are live; every trade is settled on chain."), list.element);
    await list.run();
  },
});
