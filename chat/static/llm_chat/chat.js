/**
 * `<llm-chat>`: one conversation. It turns what the reader does into requests and correlates the answers; its children
 * transport, show and announce. They meet here: every event is dispatched on this element or bubbles up to it.
 *
 * In: the attributes `conversation` and `page-url`; from the children `chat:submit` {text}, `chat:retry` {message,
 * role, text} and `chat:stop`; from the connection `chat:open`, `chat:close` {final, refused} and `chat:frame`.
 * Out: to the connection `chat:transmit` (a frame) and `chat:reset`; to whoever shows or tells it `chat:sending`
 * {message, text}, `chat:stored` {trigger, message}, `chat:refused` {trigger, message, text}, `chat:problem` {text},
 * `chat:chunk` (a chunk) and `chat:state` {streaming}. State: the attribute `streaming`.
 *
 * One request at most is under way on the socket. A connection begins with a resume, and what was not acknowledged on
 * the last one waits for the resume's end: so the patches of one answer never arrive twice at once.
 *
 * @typedef {{trigger: string, message: string, frame: object, sent: boolean, stored: boolean}} Ask
 * @typedef {{id: string, own: boolean, running: boolean, next: number}} Request `next`: the sequence that is expected
 */
class Chat extends HTMLElement {
  /** What the reader wants, until the answer to it has ended. @type {Ask | null} */
  #ask = null;
  /** What the socket answers now. @type {Request | null} */
  #request = null;
  /** The page shows an answer that runs, and no request follows it. */
  #orphaned = false;
  #connected = false;
  #closed = false;
  #stopping = false;
  /** By the answer to replace, kept until acknowledged: a repeat must not pay twice. @type {Map<string, string>} */
  #attempts = new Map();
  #listeners = new AbortController();

  // Life cycle

  connectedCallback() {
    this.#listeners = new AbortController();
    /** @type {Record<string, (detail: any) => void>} */
    const actions = {
      "chat:submit": ({ text }) => this.#send(uuid(), text),
      "chat:retry": (retry) => this.#retry(retry),
      "chat:stop": () => this.#stop(),
      "chat:open": () => this.#resume(),
      "chat:close": ({ final, refused }) => this.#lose(final, refused),
      "chat:frame": (frame) => this.#receive(frame),
    };
    for (const [type, act] of Object.entries(actions)) {
      this.addEventListener(type, (event) => act(event.detail), { signal: this.#listeners.signal });
    }
    const { signal } = this.#listeners;
    document.addEventListener("visibilitychange", () => document.hidden || this.#catchUp(), { signal });
    this.#orphaned = this.#shown()?.dataset.status === "running";
    this.#reflect();
  }

  disconnectedCallback() {
    this.#listeners.abort();
    this.#lose(false);
  }

  // Actions

  /** @param {string} message its id @param {string} text */
  #send(message, text) {
    text = text.toWellFormed?.() ?? text;
    if (this.hasAttribute("streaming")) return;
    this.#emit("chat:sending", { message, text });
    const messages = [{ id: message, role: "user", parts: [{ type: "text", text }] }];
    this.#begin({ trigger: "submit-message", message, frame: { messages }, sent: false, stored: false });
  }

  /** @param {{message: string, role: string, text: string}} retry an answer, or a message that was not sent */
  #retry({ message, role, text }) {
    if (role === "user") this.#send(message, text);
    else this.#regenerate(message);
  }

  /** @param {string} message the answer to replace */
  #regenerate(message) {
    if (this.hasAttribute("streaming")) return;
    const attempt = this.#attempts.get(message) ?? uuid();
    this.#attempts.set(message, attempt);
    const frame = { messageId: message, messages: [], body: { attempt } };
    this.#begin({ trigger: "regenerate-message", message, frame, sent: false, stored: false });
  }

  /**
   * Without a connection, what was not sent is taken back; what runs, or may run, is stopped as soon as there is one.
   */
  #stop() {
    this.#stopping = true;
    if (this.#request?.running) this.#emit("chat:transmit", { type: "abort", requestId: this.#request.id });
    else if (this.#ask && !this.#ask.sent) this.#refuse("");
  }

  /** Ask for everything that is newer than what the page shows. */
  #resume() {
    this.#connected = true;
    const last = this.#shown();
    const after = last ? { message: last.dataset.message, status: last.dataset.status } : undefined;
    this.#request = { id: uuid(), own: false, running: this.#orphaned, next: 0 };
    this.#orphaned = false;
    this.#transmit({ type: "resume", body: { after } });
  }

  /** What another tab has asked meanwhile is shown when the reader comes back to this one. */
  #catchUp() {
    if (this.#connected && !this.#request) this.#resume();
  }

  // Internals

  /** @param {Ask} ask */
  #begin(ask) {
    this.#ask = ask;
    this.#stopping = false;
    this.#proceed();
  }

  /** Send what waits, if it is its turn. */
  #proceed() {
    if (this.#closed) this.#refuse("");
    if (this.#ask && this.#connected && !this.#request) {
      this.#request = { id: uuid(), own: true, running: true, next: 0 };
      this.#ask.sent = true;
      this.#transmit({ type: "send", trigger: this.#ask.trigger, ...this.#ask.frame });
    }
    this.#reflect();
  }

  /** @param {Record<string, any>} frame */
  #transmit(frame) {
    const body = { view: "html", ...frame.body };
    const id = this.getAttribute("conversation");
    this.#emit("chat:transmit", { ...frame, requestId: this.#request?.id, id, headers: {}, body });
  }

  /**
   * The connection is lost: the answer goes on without it.
   * @param {boolean} final whether there will be another one @param {boolean} [refused] whether a frame of ours was why
   */
  #lose(final, refused) {
    if (refused && this.#request?.own && !this.#ask?.stored) this.#refuse("");
    if (this.#request?.running) this.#orphaned = !this.#request.own || this.#ask?.stored === true;
    if (this.#ask?.stored) this.#ask = null;
    if (final) this.#orphaned = false;
    this.#connected = false;
    this.#closed = final;
    this.#request = null;
    this.#proceed();
  }

  /** @param {{type: string, requestId: string, sequence: number, chunk: any, errorText?: string}} frame */
  #receive(frame) {
    if (frame.requestId !== this.#request?.id) return;
    if (frame.type === "chunk") this.#accept(this.#request, frame.sequence, frame.chunk);
    else if (frame.type === "start") this.#repeatStop();
    else if (frame.type === "error" && !this.#request.own) this.#emit("chat:reset");
    else if (frame.type === "error") this.#reject(frame);
    else if (frame.type === "end" || frame.type === "no-active") this.#end();
  }

  /** @param {Request} request @param {number} sequence @param {any} chunk */
  #accept(request, sequence, chunk) {
    if (sequence < request.next) return;
    if (sequence > request.next) return this.#emit("chat:reset");
    request.next += 1;
    if (chunk.type === "start" && request.own) this.#store();
    if (chunk.type === "data-message") this.#meet(request, chunk.data);
    this.#emit("chat:chunk", chunk);
    this.#reflect();
  }

  /**
   * A message comes: an answer that runs, or a question of ours that a lost connection had left in doubt.
   * @param {Request} request @param {{id: string, status: string}} message
   */
  #meet(request, { id, status }) {
    if (id === this.#ask?.message) this.#store();
    if (status !== "running") return;
    request.running = true;
    this.#repeatStop();
  }

  /** The server has what was asked. */
  #store() {
    const ask = this.#ask;
    if (!ask || ask.stored) return;
    ask.stored = true;
    this.#attempts.delete(ask.message);
    this.#emit("chat:stored", { trigger: ask.trigger, message: ask.message });
    this.#repeatStop();
    const url = new URL(this.getAttribute("page-url") || location.href, location.href);
    if (url.pathname !== location.pathname) history.replaceState(history.state, "", url);
  }

  /** A stop that came too early to be heard, or that was lost with a connection. */
  #repeatStop() {
    if (this.#stopping && this.#request?.running) this.#stop();
  }

  /** A request of the reader's is refused. @param {{errorText?: string, code?: string}} frame */
  #reject({ errorText, code }) {
    this.#end(errorText ?? "");
    if (code === "busy") this.#catchUp(); // the answer that runs was asked for in another tab
  }

  /** @param {string} [error] why the server refused */
  #end(error) {
    // What was stopped before the server had it is not sent after all.
    const refused = this.#ask && !this.#ask.stored && (this.#request?.own || this.#stopping);
    this.#request = null;
    this.#stopping = false;
    if (refused) this.#refuse(error ?? "");
    else if (error) this.#emit("chat:problem", { text: error });
    if (this.#ask?.stored) this.#ask = null;
    this.#proceed();
  }

  /** @param {string} text the server's sentence, empty where the reader took it back */
  #refuse(text) {
    const ask = this.#ask;
    this.#ask = null;
    this.#stopping = false;
    if (ask) this.#emit("chat:refused", { trigger: ask.trigger, message: ask.message, text });
    this.#reflect();
  }

  /** The last message that the server knows. @returns {HTMLElement | undefined} */
  #shown() {
    return [...this.querySelectorAll("[data-message]:not([data-status=sending], [data-status=unsent])")].at(-1);
  }

  #reflect() {
    const streaming = Boolean(this.#ask || this.#orphaned || this.#request?.running);
    if (streaming === this.hasAttribute("streaming")) return;
    this.toggleAttribute("streaming", streaming);
    this.#emit("chat:state", { streaming });
  }

  /** @param {string} type @param {object} [detail] */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }
}

/** A random UUID. `crypto.randomUUID` is missing where a site is served without TLS. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

if (!customElements.get("llm-chat")) customElements.define("llm-chat", Chat);
