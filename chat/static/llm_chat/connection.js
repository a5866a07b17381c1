const ChatElement = customElements.get("llm-chat-element");

const SESSION = "llm-chat session";

/** `<llm-chat-admission>`: says why a server turns the page away. A page of another version is reloaded first. */
class ChatAdmission extends ChatElement {
  static reasons = { 4401: "session", 4403: "forbidden", 4409: "outdated" };

  /** Whether a server has admitted the page. */
  #known = false;

  connect() {
    this.hear(this.chat, {
      "chat:close": ({ code = 0 }) => this.#refuse(ChatAdmission.reasons[code]),
      "chat:frame": (frame) => this.#receive(frame),
    });
  }

  #receive(frame) {
    if (frame.event === "signed-in") this.#adopt(frame);
    else if (frame.event !== "reload") this.#admit();
  }

  #admit() {
    if (this.getAttribute("reason") !== "signed-in") this.removeAttribute("reason");
    if (!this.#known) this.attempt(() => sessionStorage.removeItem(SESSION));
    this.#known = true;
  }

  /** The visitor has signed in: what the device keeps, and the conversation, are the account's now. */
  #adopt({ owner = "", conversation = "" }) {
    const { chat } = this;
    const [former, id] = ["owner", "conversation"].map((name) => chat.getAttribute(name) ?? "");
    ChatElement.rekey((whose, kept) => (whose === former ? [owner, kept === id ? conversation : kept] : [whose, kept]));
    chat.setAttribute("owner", owner);
    if (id !== conversation) this.tell("chat:event", { event: "moved", id, message: "", to: conversation });
    this.#show("signed-in");
  }

  #refuse(reason) {
    const own = this.chat.getAttribute("owner");
    if (reason === "session") ChatElement.rekey((owner, kept) => owner !== own && [owner, kept]);
    if (reason === "outdated" && this.#renew()) return;
    if (reason === "forbidden") this.chat.toggleAttribute("forbidden", true);
    else if (reason === "session" && this.#isBlocked()) this.#show("cookies");
    else if (reason) this.#show(reason);
  }

  // Internals

  #show(reason) {
    if (reason === this.getAttribute("reason")) return;
    this.setAttribute("reason", reason);
    const text = this.querySelector(`[data-reason="${reason}"]`)?.textContent ?? "";
    this.tell("chat:problem", { text, elsewhere: true });
  }

  /** Reload once, because the next page may be as old. Return whether that is happening. */
  #renew() {
    const reloads = !isUnsaved() && this.#note(`llm-chat reloaded ${this.chat.getAttribute("version")}`) === false;
    if (reloads) location.reload();
    return reloads;
  }

  /** Whether the browser keeps no cookies: the session's is missing again, or although the page has just set it. */
  #isBlocked() {
    const again = this.#note(SESSION);
    const [navigation] = performance.getEntriesByType("navigation");
    return !navigator.cookieEnabled || again || (!this.#known && navigation?.transferSize > 0);
  }

  /** Return whether this tab has noted something before, `undefined` where it cannot. */
  #note(key) {
    return this.attempt(() => {
      const noted = sessionStorage.getItem(key) !== null;
      sessionStorage.setItem(key, "");
      return noted;
    });
  }
}

/** Whether a reload would lose something that is written. The composer keeps its text. */
function isUnsaved() {
  const fields = [...document.querySelectorAll("input, textarea")];
  return fields.some((field) => field.value !== field.defaultValue && !field.closest("llm-chat-composer"));
}

ChatAdmission.define("llm-chat-admission");

/** `<llm-chat-connection>`: a websocket to its `path`, opened again after a loss, or where it is open but dead. */
class ChatConnection extends ChatElement {
  // Close codes
  /** No session, or no permission: only a reload could help. */
  static final = [ChatElement.noSession, 4403];
  /** A frame of ours was refused, and would close the next connection too. */
  static badFrame = [1009, 4400];
  static restart = 1012;

  // Milliseconds
  /** Before an attempt: full jitter spreads out the visitors of a restarted server. */
  backoff = (failures) => Math.random() * Math.min(10_000, 500 * 2 ** failures);
  handshake = 10_000;
  /** Without a connection, before the page says so. */
  patience = 2_000;
  /** Connected, after which the next failure counts as the first. */
  stable = 5_000;
  /** Without a frame, before a ping. */
  silence = 20_000;
  /** Until it is answered. */
  pong = 10_000;
  /** Both where the network or the visitor has just come back. */
  doubt = 3_000;

  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0;
  #openedAt = Infinity;
  #heardAt = 0;
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
    this.#stopTimers();
    this.removeAttribute("connected");
    this.removeAttribute("closed");
  }

  #open() {
    clearTimeout(this.#attempt);
    const url = new URL(this.getAttribute("path") ?? "/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("v", this.chat.getAttribute("version") ?? "");
    for (const name of ["owner", "conversation"]) url.searchParams.set(name, this.chat.getAttribute(name) ?? "");
    const socket = new WebSocket(url);
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#lose(code);
    this.#socket = socket;
    this.#attempt = setTimeout(() => this.#lose(), this.handshake);
  }

  #transmit(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(frame, (_, value) => (typeof value === "string" ? value.toWellFormed() : value)));
  }

  /** The network or the visitor is back. */
  #check() {
    if (!this.#socket && !this.hasAttribute("closed")) this.#open();
    else if (this.hasAttribute("connected") && Date.now() - this.#heardAt > this.doubt) this.#ping(this.doubt);
  }

  /** An open connection would keep the page from the browser's Back. */
  #pause() {
    this.#lose();
    this.#stopTimers();
  }

  // Internals

  #opened() {
    this.#openedAt = Date.now();
    this.#settle("connected");
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
    const final = code !== undefined && ChatConnection.final.includes(code);
    if (final) this.#settle("closed");
    else this.#retry();
    this.tell("chat:close", { code, final, refused: code !== undefined && ChatConnection.badFrame.includes(code) });
  }

  #retry() {
    clearTimeout(this.#attempt);
    this.#attempt = setTimeout(() => this.#open(), this.backoff(this.#failures));
    this.#failures += 1;
  }

  #settle(state) {
    this.#stopTimers();
    this.removeAttribute("down");
    this.toggleAttribute(state, true);
  }

  #stopTimers() {
    clearTimeout(this.#attempt);
    clearTimeout(this.#notice);
  }

  /** The close event would take minutes where the network is gone. */
  #forget() {
    clearTimeout(this.#watch);
    if (!this.#socket) return;
    Object.assign(this.#socket, { onopen: null, onmessage: null, onclose: null });
    this.#socket.close();
    this.#socket = null;
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
