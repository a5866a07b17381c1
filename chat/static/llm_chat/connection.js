const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-connection>`: one websocket that comes back, to the attribute `path`. */
class ChatConnection extends ChatElement {
  /** The close code after which another try is pointless. */
  static noSession = 4401;
  /** Close codes that answer a frame of ours: sent again, it would close the next connection as well. */
  static badFrame = new Set([1009, 4400]);
  /** The close code of a server that restarts: for a moment it is not there. */
  static restart = 1012;

  /** Milliseconds before a try: full jitter, so that the visitors of a restarted server do not come back all at once. */
  backoff = (failures) => Math.random() * Math.min(10_000, 500 * 2 ** failures);
  /** Milliseconds without a connection before the page says so. */
  patience = 2_000;
  /** Milliseconds after which the next failure counts as the first. */
  stable = 5_000;
  /** Milliseconds that a handshake may take: the browser would wait for minutes. */
  handshake = 10_000;

  #socket = null;
  #failures = 0;
  #openedAt = Infinity;
  #retry = 0;
  #notice = 0;

  start() {
    this.hear(this.chat, { "chat:transmit": (frame) => this.#transmit(frame), "chat:reset": () => this.#lose() });
    this.hear(window, { online: () => this.#hurry(), offline: () => this.#lose() });
    this.hear(document, { visibilitychange: () => document.hidden || this.#hurry() });
    this.removeAttribute("closed");
    this.#expectNotice();
    this.#connect();
  }

  stop() {
    this.#forget();
    clearTimeout(this.#retry);
    clearTimeout(this.#notice);
    this.removeAttribute("connected");
  }

  #connect() {
    clearTimeout(this.#retry);
    const url = new URL(this.getAttribute("path") ?? "/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("v", this.chat.getAttribute("version") ?? "");
    const socket = new WebSocket(url);
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#lose(code);
    this.#socket = socket;
    this.#retry = setTimeout(() => this.#lose(), this.handshake);
  }

  #transmit(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame, this.#sendable));
  }

  /** The network or the reader has just come back. */
  #hurry() {
    if (!this.#socket && !this.hasAttribute("closed")) this.#connect();
  }

  // Internals

  #sendable = (_, value) => (typeof value === "string" ? this.wellFormed(value) : value);

  #opened() {
    this.#openedAt = Date.now();
    clearTimeout(this.#retry);
    clearTimeout(this.#notice);
    this.removeAttribute("down");
    this.toggleAttribute("connected", true);
    this.tell("chat:open");
  }

  #receive(data) {
    const frame = JSON.parse(data);
    if (typeof frame?.type === "string" && typeof frame.requestId === "string") this.tell("chat:frame", frame);
  }

  /** The connection is gone, or is to be given up. */
  #lose(code) {
    if (!this.#socket) return;
    this.#forget();
    if (this.hasAttribute("connected")) this.#expectNotice();
    this.removeAttribute("connected");
    if (Date.now() - this.#openedAt > this.stable) this.#failures = 0;
    this.#openedAt = Infinity;
    const final = code === ChatConnection.noSession;
    if (code === ChatConnection.restart) this.#failures = Math.max(this.#failures, 2);
    clearTimeout(this.#retry);
    if (final) this.#close();
    else this.#retry = setTimeout(() => this.#connect(), this.backoff(this.#failures++));
    this.tell("chat:close", { code, final, refused: ChatConnection.badFrame.has(code) });
  }

  #close() {
    clearTimeout(this.#notice);
    this.removeAttribute("down");
    this.toggleAttribute("closed", true);
  }

  /** A socket whose network is gone takes minutes to send its close event. */
  #forget() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #expectNotice() {
    clearTimeout(this.#notice);
    this.#notice = setTimeout(() => this.toggleAttribute("down", true), this.patience);
  }
}

ChatConnection.define("llm-chat-connection");
