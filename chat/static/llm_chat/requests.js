const ChatElement = customElements.get("llm-chat-element");

/** `<llm-chat-requests>`: the request that is under way, one at most, what is asked beside it, and the frames that answer. */
class ChatRequests extends ChatElement {
  /** Milliseconds that an aside may take. */
  patience = 10_000;

  /** `next`: the sequence that is expected. */
  #request = null;
  /** By their ids. */
  #asides = new Map();
  #events = [];
  #open = false;
  #count = 0;

  start() {
    this.hear(this.chat, {
      "chat:request": (frame) => this.#begin(frame),
      "chat:abort": () => this.tell("chat:transmit", { type: "abort", requestId: this.#request?.requestId }),
      "chat:aside": (aside) => this.#ask(aside),
      "chat:open": () => (this.#open = true),
      "chat:frame": (frame) => this.#receive(frame),
      "chat:close": () => this.#lose(),
    });
  }

  stop() {
    this.#lose();
  }

  #begin(frame) {
    this.#request = { requestId: this.#transmit(frame), type: frame.type, next: 0 };
  }

  #ask({ frame, resolve, reject }) {
    if (!this.#open) return reject("");
    const requestId = this.#transmit(frame);
    this.#asides.set(requestId, { data: [], resolve, reject });
    setTimeout(() => this.#fill({ requestId, errorText: "" }), this.patience);
  }

  #receive(frame) {
    const { type } = frame;
    if (type === "event") return this.#spread(this.#events.push(frame));
    this.#fill(frame);
    if (!this.#request || frame.requestId !== this.#request.requestId) return;
    if (type === "start") this.tell("chat:found");
    else if (type === "chunk") this.#accept(this.#request, frame);
    else if (type === "end" || type === "no-active") this.#end();
    else if (type === "error") this.#refuse(this.#request, frame);
  }

  // Internals

  #accept(request, { sequence, chunk, code }) {
    if (sequence < request.next) return;
    if (sequence > request.next || this.#isTemporary(code)) return this.tell("chat:reset");
    request.next += 1;
    this.tell("chat:received", chunk);
  }

  /** A resume that fails is made again, unless the conversation was deleted. */
  #refuse(request, { errorText = "", code }) {
    const failed = request.type === "resume" && code !== "gone";
    if (failed || this.#isTemporary(code)) this.tell("chat:reset");
    else this.#end(errorText, code);
  }

  /** Whether another connection may do better; the server's table of errors says which codes are such. */
  #isTemporary(code) {
    return this.chat.getAttribute("temporary-errors").split(" ").includes(code);
  }

  #end(text = "", code = "") {
    this.#request = null;
    this.tell("chat:answered", { text, code });
  }

  #fill({ type, requestId, chunk, errorText }) {
    const aside = this.#asides.get(requestId);
    if (!aside || type === "start") return;
    if (type === "chunk") return aside.data.push(chunk.data);
    this.#asides.delete(requestId);
    if (type === "end") aside.resolve(aside.data);
    else aside.reject(errorText);
    setTimeout(() => this.#spread());
  }

  /** News of what an aside does come behind it. */
  #spread() {
    if (this.#asides.size) return;
    for (const event of this.#events.splice(0)) this.tell("chat:event", event);
  }

  #lose() {
    this.#open = false;
    this.#request = null;
    for (const requestId of this.#asides.keys()) this.#fill({ requestId, errorText: "" });
  }

  #transmit(frame) {
    const requestId = `request-${++this.#count}`;
    const [id, language] = [this.chat.getAttribute("conversation"), this.chat.lang];
    this.tell("chat:transmit", {
      ...frame,
      requestId,
      id,
      headers: {},
      body: { view: "html", language, ...frame.body },
    });
    return requestId;
  }
}

ChatRequests.define("llm-chat-requests");
