// Identity and accreditation: what is there, what is missing and why.

import { api, machine } from "../api.js";
import { actionButton, form } from "../shell/forms.js";
import { make } from "../shell/make.js";
import { openPage } from "../shell/page.js";
import { badge, fill, notice } from "../shell/states.js";
import { facts, panel } from "../shell/tables.js";
import { time } from "../shell/times.js";
import { toast } from "../shell/toasts.js";

const EVERY_MS = 3_000;
const NAMES = { APPLICANT: "Begin", REVIEW: "Documents and review", COUNTRY: "Country", IDENTITY: "Wallets on chain", ACCREDITATION: "Accreditation" };
const CLASSES = { DONE: "done", WAITING: "waiting", FAILED: "failed", MISSING: "" };

/** Opens the provider's page; on this machine that is its sandbox, where one plays applicant and reviewer. */
async function begin() {
  await api.post("/kyc/initiate", {});
  const { sandboxes } = await machine();
  if (sandboxes.sumsub) window.open(sandboxes.sumsub, "_blank", "noopener");
  toast(sandboxes.sumsub ? "Your application has begun: send and review it on the provider's page." : "Your application has begun: the provider will ask for your documents.", "good");
}

function accreditation(draw) {
  return [
    make("p", { class: "text" }, "Some properties are for accredited investors only. A compliance officer reviews what you send."),
    form({
      fields: [{ name: "file", label: "Document", type: "file", accept: "application/pdf,image/png,image/jpeg", help: "PDF, PNG or JPEG." }],
      submit: "Send for review",
      kind: "",
      async send({ file }) {
        await api.upload("/accreditation/documents", file, { name: file.name });
        await api.post("/accreditation");
        toast("Sent: a compliance officer reviews it.", "good");
        await draw();
      },
    }),
  ];
}

openPage({
  title: "Identity",
  async show(main) {
    const body = make("div", { class: "columns wide-first" });
    main.append(body);
    let last = "";
    const show = (status) => {
      const review = status.steps.find((each) => each.step === "REVIEW");
      const failed = (problem) => toast(problem.message, "bad");
      return [
        panel("Identity check", [
          make("ol", { class: "steps" }, status.steps.map((each) => make("li", { class: CLASSES[each.state] },
            make("h3", {}, NAMES[each.step]), make("p", { class: "quiet" }, words(each)), each.labels?.length ? notice("warn", each.labels.join(", ")) : null))),
          status.kyc !== "APPROVED" && review.state !== "FAILED" && make("div", { class: "buttons" },
            actionButton(status.steps[0].state === "DONE" ? "Go on with the check" : "Begin the check", async () => {
              await begin();
              await draw();
            }, { kind: "primary", failed })),
        ].filter(Boolean), badge(status.kyc === "APPROVED" ? "VERIFIED" : status.kyc)),
        make("div", { class: "column" },
          panel("What we know", facts([
            ["Country", status.country ?? "–"], ["Verified until", time(status.kyc_expires_at, "day")],
            ["Accredited until", time(status.accreditation_expires_at, "day")]])),
          panel("Accreditation", accreditation(draw), badge(status.accreditation))),
      ];
    };
    const draw = () => fill(body, () => api.get("/kyc/status"), (status) => {
      last = JSON.stringify(status);
      return show(status);
    });
    await draw();
    setInterval(async () => {
      const status = await api.get("/kyc/status").catch(() => null);
      if (status && JSON.stringify(status) !== last) await draw();
    }, EVERY_MS);
  },
});

/** The routes' texts name routes for programs; a person has buttons. */
function words({ step, state, text }) {
  if (state === "MISSING" && step === "APPLICANT") return "Begin the check of your identity with the button below.";
  if (state === "MISSING" && step === "IDENTITY") return "Link a wallet first, on the page Wallets.";
  return text;
}
