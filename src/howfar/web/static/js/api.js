// Requests to the server, with progress and errors in words.

const TRIES = 4;

export class Failure extends Error {}

export async function about() {
  return (await answered(await fetch("/v1/about"))).json();
}

// The record of a picture. `told` is called with words while it takes.
export async function predict(blob, name, options, told, signal) {
  const query = queryOf(options);
  for (let attempt = 1; ; attempt++) {
    const answer = await send(`/v1/predict${query}`, blob, name, told, signal);
    if (answer.status === 503 && attempt < TRIES) {
      const seconds = Number(answer.retryAfter) || 1;
      told(`The server is busy; trying again in ${seconds} s`);
      await pause(seconds * 1000, signal);
      continue;
    }
    return Object.assign(recordOf(answer), { straightened: answer.straightened });
  }
}

export async function predictUrl(url, options) {
  const answer = await fetch(`/v1/predict${queryOf(options)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ url }),
  });
  return (await answered(answer)).json();
}

export async function file(record, name) {
  const entry = record.files[name];
  if (!entry) return null;
  return answered(await fetch(entry.path));
}

export function queryOf(options) {
  const pairs = Object.entries(options).filter(([, value]) => value !== "" && value !== null);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

// XMLHttpRequest, since fetch does not tell how much was sent.
function send(path, blob, name, told, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("image", blob, name);
    request.open("POST", path);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.loaded < event.total) {
        told(`Sending ${name}: ${Math.round((100 * event.loaded) / event.total)} %`);
      }
    };
    request.upload.onload = () => told("Finding objects and distances …");
    request.onload = () =>
      resolve({
        status: request.status,
        text: request.responseText,
        retryAfter: request.getResponseHeader("Retry-After"),
        straightened: request.getResponseHeader("Howfar-Straightened") !== null,
      });
    request.onerror = () => reject(new Failure("The server does not answer. Is it still running?"));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function recordOf(answer) {
  let record = null;
  try {
    record = JSON.parse(answer.text);
  } catch {
    throw new Failure(`The server answered with status ${answer.status} and no JSON.`);
  }
  if (answer.status !== 200) throw new Failure(record.error ?? `Status ${answer.status}`);
  return record;
}

async function answered(answer) {
  if (answer.ok) return answer;
  const record = await answer.json().catch(() => ({}));
  throw new Failure(record.error ?? `The server answered with status ${answer.status}.`);
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    }, { once: true });
  });
}
