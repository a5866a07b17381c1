const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat-requests>`: sends requests, and sorts the frames that answer. At most one of them, the current one, makes or
 * follows an answer; each of the others resolves a promise.
 */
class ChatRequests extends ChatElement {
  /** Milliseconds that one of the others may take. */
  patience = 10_000;

  /** @type {CurrentRequest | null} */
  #current = null;
  /** @type {Map<string, OtherRequest>} */
  #others = new Map();
  /** @type {ConversationEvent[]} Those to be delivered. */
  #events = [];
  #count = 0;

  connect() {
    this.hear(this.chat, {
      "chat:request": (request) => this.#begin(request),
      "chat:abort": () => this.tell("chat:transmit", { type: "abort", requestId: this.#current?.requestId }),
      "chat:frame": (frame) => this.#receive(frame),
      "chat:close": () => this.#lose(),
    });
  }

  disconnect() {
    this.#lose();
  }

  /** @param {ServerRequest} request */
  #begin({ frame, resolve, reject }) {
    if (!resolve) {
      this.#current = { requestId: this.#transmit(frame), type: frame.type, next: 0 };
    } else if (this.online) {
      const requestId = this.#transmit(frame);
      this.#others.set(requestId, { data: [], resolve, reject });
      setTimeout(() => this.#fail(requestId), this.patience);
    } else {
      reject?.("");
    }
  }

  #receive(frame) {
    const current = this.#current;
    if (frame.type === "event") this.#deliver(frame);
    else if (frame.requestId === current?.requestId) this.#follow(current, frame);
    else if (this.#others.has(frame.requestId)) this.#collect(frame);
  }

  // Internals

  #follow(current, frame) {
    if (frame.type === "chunk") this.#pass(current, frame);
    else if (frame.type === "start") this.tell("chat:found");
    else if (frame.type === "end" || frame.type === "no-active") this.#end();
    else if (frame.type === "error") this.#refuse(current, frame);
  }

  #pass(current, { sequence, chunk, code }) {
    if (sequence < current.next) return;
    if (sequence > current.next || this.#isTemporary(code)) {
      this.tell("chat:reset");
    } else {
      current.next += 1;
      this.tell("chat:chunk", chunk);
    }
  }

  /** Repeat a resume that failed, on another connection, unless the conversation was deleted. */
  #refuse(current, { errorText, code }) {
    const failed = current.type === "resume" && code !== "gone";
    if (failed || this.#isTemporary(code)) this.tell("chat:reset");
    else this.#end(errorText, code);
  }

  /** The server lists the codes after which another connection may succeed. */
  #isTemporary(code) {
    if (code === undefined) return false;
    return (this.chat.getAttribute("temporary-errors") ?? "").split(" ").includes(code);
  }

  #end(text = "", code = "") {
    this.#current = null;
    this.tell("chat:answered", { text, code });
  }

  #collect({ type, requestId, chunk, errorText }) {
    const request = this.#others.get(requestId);
    if (!request || type === "start") return;
    if (type === "chunk") {
      request.data.push(chunk.data);
    } else if (type === "end") {
      this.#forget(requestId);
      request.resolve(request.data);
    } else {
      this.#fail(requestId, errorText);
    }
  }

  #fail(requestId, errorText = "") {
    const request = this.#others.get(requestId);
    this.#forget(requestId);
    request?.reject?.(errorText);
  }

  #forget(requestId) {
    if (this.#others.delete(requestId)) setTimeout(() => this.#deliver());
  }

  /** Deliver events only after the requests that may have caused them. */
  #deliver(...events) {
    this.#events.push(...events);
    if (this.#others.size) return;
    for (const event of this.#events.splice(0)) this.tell("chat:event", event);
  }

  #lose() {
    this.#current = null;
    for (const requestId of [...this.#others.keys()]) this.#fail(requestId);
  }

  #transmit(frame) {
    this.#count += 1;
    const requestId = `request-${this.#count}`;
    const body = { view: "html", language: this.chat.lang, ...frame.body };
    this.tell("chat:transmit", { ...frame, requestId, id: this.chat.getAttribute("conversation"), headers: {}, body });
    return requestId;
  }
}

ChatRequests.define("llm-chat-requests");
