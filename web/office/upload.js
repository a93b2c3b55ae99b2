// A file to a route, with how much of it has gone.

import { Problem } from "../api.js";
import { make } from "../shell/make.js";
import { progress } from "../shell/states.js";
import { toast } from "../shell/toasts.js";

const BYTES_MAX = 20 * 1024 * 1024;
const TAKEN = ".pdf,.png,.jpg,.jpeg";

/** A file's size for people. */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 ** 2 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

/** fetch cannot say how far it is, so this asks the old way. Resolves with the answer; throws a Problem. */
function send(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${path}?${new URLSearchParams({ name: file.name })}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded, total));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Problem(request.response ?? { status: request.status, reason: "UNREADABLE", detail: `The answer was ${request.status}.` }));
    });
    request.addEventListener("error", () => reject(new Problem({ reason: "NO_ANSWER", detail: "The upload broke off: send the file again." })));
    request.send(file);
  });
}

/** A place to choose or drop files for `path`; `done` is called after each that was taken. */
export function uploader(path, done) {
  const input = make("input", { type: "file", accept: TAKEN, multiple: true, class: "unseen", id: "upload" });
  const going = make("div", { aria: { live: "polite" } });
  const drop = make(
    "label", { class: "drop", htmlFor: "upload" },
    make("strong", {}, "Add documents"), make("span", { class: "quiet" }, "Choose or drop PDF, PNG or JPEG files, up to 20 MiB each"), input,
  );
  const take = async (files) => {
    for (const file of files) {
      try {
        if (file.size > BYTES_MAX) throw new RangeError(`${file.name} is larger than 20 MiB.`);
        await send(path, file, (loaded, total) => {
          going.replaceChildren(progress(file.name, loaded, total, `${size(loaded)} of ${size(total)} sent`));
          going.querySelector(".row .quiet").textContent = `${Math.floor((100 * loaded) / total)} %`;
        });
        toast(`${file.name} is added.`, "good");
        done();
      } catch (problem) {
        toast(`${file.name}: ${problem.message}`, "bad");
      }
      going.replaceChildren();
    }
    input.value = "";
  };
  input.addEventListener("change", () => take([...input.files]));
  drop.addEventListener("dragover", (event) => event.preventDefault());
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  return make("div", { class: "column" }, drop, going);
}
