// The back office's routes (/openapi.json). The session is a cookie that no script can read; mistakes are Problems.

const ANSWER_WITHIN_MS = 30_000;

/** What went wrong, in words for the reader: `reason` is one word, `message` a sentence, `extra` the document's rest. */
export class Problem extends Error {
  constructor({ status = 0, reason, detail, ...extra }) {
    super(detail);
    this.status = status;
    this.reason = reason;
    this.extra = extra;
  }
}

async function ask(method, path, { query, body, file } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const init = { method, signal: AbortSignal.timeout(ANSWER_WITHIN_MS), credentials: "same-origin", cache: "no-store" };
  if (file) init.body = file;
  else if (body !== undefined) Object.assign(init, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  let response;
  try {
    response = await fetch(url, init);
  } catch {
    throw new Problem({ reason: "NO_ANSWER", detail: "Deedbook does not answer. Check your connection and try again." });
  }
  if (response.ok) return response.status === 204 || response.status === 202 && !isJson(response) ? null : response.json();
  throw new Problem(isJson(response) ? await response.json() : {
    status: response.status, reason: "UNREADABLE", detail: `The answer was ${response.status} and cannot be read.`,
  });
}

function isJson(response) {
  return /[/+]json\b/.test(response.headers.get("Content-Type") ?? "");
}

/** Each answers the decoded JSON, or null where there is none, and throws a Problem. */
export const api = {
  get: (path, query) => ask("GET", path, { query }),
  post: (path, body) => ask("POST", path, { body }),
  put: (path, body) => ask("PUT", path, { body }),
  patch: (path, body) => ask("PATCH", path, { body }),
  remove: (path) => ask("DELETE", path),
  /** The body is the file itself. */
  upload: (path, file, query) => ask("POST", path, { file, query }),
};

let config;

/** Where the trading API and, on a machine with sandboxes, their pages are. */
export function machine() {
  config ??= api.get("/config.json");
  return config;
}
