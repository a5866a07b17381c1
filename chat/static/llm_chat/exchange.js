const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-exchange>`: the request that is under way on the socket, one at most, and the frames that answer it.
 *
 * In: on the surrounding `<llm-chat>`, whose attribute `conversation` goes into every request, `chat:request` (a `send` or
 * `resume` frame without its ids) and `chat:abort`; from the connection `chat:frame` and `chat:close`.
 * Out: to the connection `chat:transmit` (a frame) and `chat:reset`; to the chat `chat:found` (a resume found something),
 * `chat:received` (a chunk) and `chat:answered` {text, code} when the request has ended, with a sentence and a code where
 * it was refused; `chat:event` {event, id, message, version}, which belongs to no request and to any conversation.
 *
 * @typedef {{requestId: string, type: string, next: number}} Request `next`: the sequence that is expected
 */
class ChatExchange extends ChatElement {
  /** Codes that say "not on this connection": another one, as after a cut, finds what this one cannot give. */
  static elsewhere = new Set(["draining", "lost"]);

  /** @type {Request | null} */
  #request = null;
  #count = 0;

  // Life cycle

  start() {
    this.hear(this.chat, {
      "chat:request": (frame) => this.#begin(frame),
      "chat:abort": () => this.tell("chat:transmit", { type: "abort", requestId: this.#request?.requestId }),
      "chat:frame": (frame) => this.#receive(frame),
      "chat:close": () => this.#forget(),
    });
  }

  stop() {
    this.#forget();
  }

  // Actions

  /** @param {{type: string, body?: object}} frame */
  #begin(frame) {
    const requestId = `request-${++this.#count}`;
    this.#request = { requestId, type: frame.type, next: 0 };
    const id = this.chat.getAttribute("conversation");
    this.tell("chat:transmit", { ...frame, requestId, id, headers: {}, body: { view: "html", ...frame.body } });
  }

  /** @param {Record<string, any>} frame */
  #receive(frame) {
    const { type, event, id, message, version } = frame;
    if (type === "event") return this.tell("chat:event", { event, id, message, version });
    if (!this.#request || frame.requestId !== this.#request.requestId) return;
    if (type === "start") this.tell("chat:found");
    else if (type === "chunk") this.#accept(this.#request, frame);
    else if (type === "end" || type === "no-active") this.#end();
    else if (type === "error") this.#refuse(this.#request, frame);
  }

  // Internals

  /** @param {Request} request @param {Record<string, any>} frame */
  #accept(request, { sequence, chunk, code }) {
    if (sequence < request.next) return;
    if (sequence > request.next || ChatExchange.elsewhere.has(code)) return this.tell("chat:reset");
    request.next += 1;
    this.tell("chat:received", chunk);
  }

  /**
   * A resume that fails is made again, on another connection, but for a conversation that was deleted.
   * @param {Request} request @param {Record<string, any>} frame
   */
  #refuse(request, { errorText = "", code }) {
    const failed = request.type === "resume" && code !== "gone";
    if (failed || ChatExchange.elsewhere.has(code)) this.tell("chat:reset");
    else this.#end(errorText, code);
  }

  /** @param {string} [text] @param {string} [code] */
  #end(text = "", code = "") {
    this.#forget();
    this.tell("chat:answered", { text, code });
  }

  #forget() {
    this.#request = null;
  }
}

ChatExchange.define("llm-chat-exchange");
