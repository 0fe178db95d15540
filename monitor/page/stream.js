// The connection: one stream of server-sent events, begun anew when it breaks or when nothing comes any more.

const SILENT_AFTER_MS = 4000;
const AGAIN_AFTER_MS = 3000;

export class Stream {
  /** `told` gets (event, data); `linked` gets ("live" | "late" | "lost" | "full", seconds). */
  constructor(told, linked) {
    this.told = told;
    this.linked = linked;
    this.source = null;
    this.heardMs = 0;
    setInterval(() => this.#look(), 1000);
  }

  open(run) {
    this.run = run;
    this.source?.close();
    clearTimeout(this.again);
    const source = new EventSource(`/api/events?run=${encodeURIComponent(run)}`);
    this.source = source;
    for (const event of ["state", "tick"]) {
      source.addEventListener(event, (message) => {
        if (source !== this.source) return;
        this.heardMs = Date.now();
        this.told(event, JSON.parse(message.data));
        this.linked("live", 0);
      });
    }
    source.addEventListener("error", () => {
      if (source !== this.source) return;
      this.linked("lost", 0);
      if (source.readyState === EventSource.CLOSED) this.#openAgain();
    });
  }

  async #openAgain() {
    // The browser gives up when the answer is no stream; the usual reason is that too many pages are open.
    this.linked("full", 0);
    clearTimeout(this.again);
    this.again = setTimeout(() => this.open(this.run), AGAIN_AFTER_MS);
  }

  #look() {
    const silentMs = Date.now() - this.heardMs;
    if (this.heardMs && silentMs > SILENT_AFTER_MS && this.source?.readyState === EventSource.OPEN) {
      this.linked("late", Math.round(silentMs / 1000));
    }
  }
}

export async function ask(path, query = {}) {
  const answer = await fetch(`${path}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
  const body = await answer.json().catch(() => ({ error: answer.statusText }));
  return { ok: answer.ok, ...body };
}
