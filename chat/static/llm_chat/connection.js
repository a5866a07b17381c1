const ChatElement = customElements.get("llm-chat-element");

const SESSION = "llm-chat session";

/**
 * `<llm-chat-admission>`: says why a server turns the page away, in its attribute `reason`. A page of another version than the
 * server's is reloaded first.
 */
class ChatAdmission extends ChatElement {
  /** @type {Record<number, string>} */
  static reasons = { 4401: "session", 4409: "outdated" };

  /** Whether a server has ever admitted the page. */
  #known = false;

  connect() {
    this.hear(this.chat, {
      "chat:close": ({ code = 0 }) => this.#refuse(ChatAdmission.reasons[code]),
      "chat:frame": ({ event }) => event !== "reload" && this.#admit(),
    });
  }

  #admit() {
    this.removeAttribute("reason");
    if (!this.#known) attempt(() => sessionStorage.removeItem(SESSION));
    this.#known = true;
  }

  #refuse(reason) {
    if (reason === "outdated" && this.#renew()) return;
    if (reason === "session" && this.#isBlocked()) this.#show("cookies");
    else if (reason) this.#show(reason);
  }

  // Internals

  #show(reason) {
    if (reason === this.getAttribute("reason")) return;
    this.setAttribute("reason", reason);
    const text = this.querySelector(`[data-reason="${reason}"]`)?.textContent ?? "";
    this.tell("chat:problem", { text, elsewhere: true });
  }

  /** Reload once: the next page may be as old, from a cache or another process. Return whether that is happening. */
  #renew() {
    const reloads = !isUnsaved() && note(`llm-chat reloaded ${this.chat.getAttribute("version")}`) === false;
    if (reloads) location.reload();
    return reloads;
  }

  /** Return whether the browser keeps no cookies: the session's is missing again, or although the page has just set it. */
  #isBlocked() {
    const again = note(SESSION);
    /** @type {any} */
    const navigation = performance.getEntriesByType("navigation")[0];
    return !navigator.cookieEnabled || again || (!this.#known && navigation?.transferSize > 0);
  }
}

/** Return whether a reload would lose something that is written. The composer keeps its text. */
function isUnsaved() {
  /** @type {NodeListOf<HTMLInputElement>} */
  const fields = document.querySelectorAll("input, textarea");
  return [...fields].some((field) => field.value !== field.defaultValue && !field.closest("llm-chat-composer"));
}

/** Note something for this tab. Return whether it had been noted before, `undefined` where nothing can be noted. */
function note(key) {
  return attempt(() => {
    const noted = sessionStorage.getItem(key) !== null;
    sessionStorage.setItem(key, "");
    return noted;
  });
}

function attempt(act) {
  try {
    return act();
  } catch {
    return undefined; // the storage is full, or closed to this site
  }
}

ChatAdmission.define("llm-chat-admission");

/**
 * `<llm-chat-connection>`: a websocket to the attribute `path`. It reconnects after a loss, and gives up a connection that is
 * open but dead, which takes the browser minutes to notice.
 */
class ChatConnection extends ChatElement {
  /** The close code after which another attempt is pointless. */
  static noSession = 4401;
  /** Close codes that answer a frame of ours, which would close the next connection too. */
  static badFrame = [1009, 4400];
  /** The close code of a server that restarts. */
  static restart = 1012;

  /** Milliseconds before an attempt: full jitter spreads out the visitors of a restarted server. */
  backoff = (/** @type {number} */ failures) => Math.random() * Math.min(10_000, 500 * 2 ** failures);
  /** Milliseconds that a handshake may take. */
  handshake = 10_000;
  /** Milliseconds without a connection before the page says so. */
  patience = 2_000;
  /** Milliseconds after which the next failure counts as the first. */
  stable = 5_000;
  /** Milliseconds without a frame before the server is sent a ping. */
  silence = 20_000;
  /** Milliseconds that it may take to answer. */
  pong = 10_000;
  /** Both where the network or the visitor has just come back. */
  doubt = 3_000;

  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0;
  #openedAt = Infinity;
  #heardAt = 0;
  // Timers
  #attempt = 0;
  #notice = 0;
  #watch = 0;

  connect() {
    this.hear(this.chat, {
      "chat:transmit": (frame) => this.#transmit(frame),
      "chat:reset": () => this.#lose(),
    });
    this.hear(window, {
      online: () => this.#check(),
      offline: () => this.#lose(),
      pagehide: () => this.#pause(),
      pageshow: ({ persisted }) => persisted && this.#check(),
    });
    this.hear(document, { visibilitychange: () => document.hidden || this.#check() });
    this.#expectNotice();
    this.#open();
  }

  disconnect() {
    this.#forget();
    clearTimeout(this.#attempt);
    clearTimeout(this.#notice);
    this.removeAttribute("connected");
    this.removeAttribute("closed");
  }

  #open() {
    clearTimeout(this.#attempt);
    const url = new URL(this.getAttribute("path") ?? "/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("v", this.chat.getAttribute("version") ?? "");
    url.searchParams.set("owner", this.chat.getAttribute("owner") ?? "");
    const socket = new WebSocket(url);
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#lose(code);
    this.#socket = socket;
    this.#attempt = setTimeout(() => this.#lose(), this.handshake);
  }

  #transmit(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(
      JSON.stringify(frame, (_, value) => (typeof value === "string" ? this.wellFormed(value) : value)),
    );
  }

  /** The network or the visitor is back: connect at once, or make sure that the connection is alive. */
  #check() {
    if (!this.#socket && !this.hasAttribute("closed")) this.#open();
    else if (this.hasAttribute("connected") && Date.now() - this.#heardAt > this.doubt) this.#ping(this.doubt);
  }

  /** An open connection keeps the page from being shown again at once, by the browser's Back. */
  #pause() {
    this.#lose();
    clearTimeout(this.#attempt);
    clearTimeout(this.#notice);
  }

  // Internals

  #opened() {
    this.#openedAt = Date.now();
    clearTimeout(this.#attempt);
    clearTimeout(this.#notice);
    this.removeAttribute("down");
    this.toggleAttribute("connected", true);
    this.#heard();
    this.tell("chat:open");
  }

  #receive(data) {
    const frame = JSON.parse(data);
    if (typeof frame?.type !== "string" || typeof frame.requestId !== "string") return;
    this.#heard();
    this.tell("chat:frame", frame);
  }

  #lose(code) {
    if (!this.#socket) return;
    this.#forget();
    if (this.hasAttribute("connected")) this.#expectNotice();
    this.removeAttribute("connected");
    if (Date.now() - this.#openedAt > this.stable) this.#failures = 0;
    if (code === ChatConnection.restart) this.#failures = Math.max(this.#failures, 2);
    this.#openedAt = Infinity;
    const final = code === ChatConnection.noSession;
    if (final) this.#close();
    else this.#retry();
    this.tell("chat:close", { code, final, refused: code !== undefined && ChatConnection.badFrame.includes(code) });
  }

  #retry() {
    clearTimeout(this.#attempt);
    this.#attempt = setTimeout(() => this.#open(), this.backoff(this.#failures));
    this.#failures += 1;
  }

  #close() {
    clearTimeout(this.#attempt);
    clearTimeout(this.#notice);
    this.removeAttribute("down");
    this.toggleAttribute("closed", true);
  }

  /** Do not wait for the close event, which takes minutes where the network is gone. */
  #forget() {
    clearTimeout(this.#watch);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #expectNotice() {
    clearTimeout(this.#notice);
    this.#notice = setTimeout(() => this.toggleAttribute("down", true), this.patience);
  }

  #heard() {
    this.#heardAt = Date.now(); // goes on while the machine sleeps
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#ping(this.pong), this.silence);
  }

  #ping(patience) {
    this.#transmit({ type: "ping", requestId: "ping" });
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#lose(), patience);
  }
}

ChatConnection.define("llm-chat-connection");
