const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat>`: one conversation. It decides what is asked of the server and when.
 *
 * One request at most is under way. A connection begins with a resume, and what was not acknowledged on the last one waits
 * for the resume's end: so the patches of one answer never arrive twice at once.
 */
class Chat extends ChatElement {
  /** What the reader wants, until the answer to it has ended. */
  #ask = null;
  /** What the socket answers now: an ask of ours or a resume. */
  #request = null;
  /** The page shows an answer that runs, and no request follows it. */
  #orphaned = false;
  #connected = false;
  #closed = false;
  #stopping = false;

  start() {
    this.hear(this, {
      "chat:ask": (ask) => this.#begin(ask),
      "chat:stop": () => this.#stop(),
      "chat:open": () => this.#resume(),
      "chat:close": ({ final, refused }) => this.#lose(final, refused),
      "chat:found": () => this.#repeatStop(),
      "chat:received": (chunk) => this.#accept(chunk),
      "chat:answered": ({ text, code }) => this.#end(text, code),
      "chat:stale": () => this.#catchUp(),
    });
    this.#orphaned = this.#shown()?.dataset.status === "running";
    this.#reflect();
  }

  stop() {
    this.#lose(false);
  }

  #begin(ask) {
    this.#ask = { ...ask, stored: false };
    this.#stopping = false;
    this.#proceed();
  }

  /** Without a connection, what was not sent is taken back; what may run is stopped as soon as there is one. */
  #stop() {
    this.#stopping = true;
    if (this.#request?.running) this.tell("chat:abort");
    else if (this.#ask && !this.#ask.sent) this.#refuse("");
  }

  #resume() {
    this.#connected = true;
    const last = this.#shown();
    const after = last ? { message: last.dataset.message, status: last.dataset.status } : undefined;
    this.#request = { own: false, running: this.#orphaned };
    this.#orphaned = false;
    this.tell("chat:request", { type: "resume", body: { after } });
  }

  #catchUp() {
    if (this.#connected && !this.#request) this.#resume();
  }

  // Internals

  #proceed() {
    if (this.#closed) this.#refuse("");
    if (this.#ask && this.#connected && !this.#request) {
      this.#request = { own: true, running: true };
      this.#ask.sent = true;
      this.#tell("chat:sent", this.#ask);
      this.tell("chat:request", { type: "send", trigger: this.#ask.trigger, ...this.#ask.frame });
    }
    this.#reflect();
  }

  /** The answer goes on without the connection. */
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

  #accept(chunk) {
    if (chunk.type === "start" && this.#request?.own) this.#store();
    this.tell("chat:chunk", chunk);
    if (chunk.type === "data-message") this.#meet(chunk.data.status);
    this.#reflect();
  }

  /** It may be an answer that runs, or what a lost connection had left in doubt. */
  #meet(status) {
    if (this.#ask && this.querySelector(this.#ask.proof)) this.#store();
    if (status !== "running" || !this.#request) return;
    this.#request.running = true;
    this.#repeatStop();
  }

  #store() {
    if (!this.#ask || this.#ask.stored) return;
    this.#ask.stored = true;
    this.#tell("chat:stored", this.#ask);
    this.#repeatStop();
  }

  /** It may have come too early, or be lost with a connection. */
  #repeatStop() {
    if (this.#stopping && this.#request?.running) this.#stop();
  }

  #end(error, code) {
    // What was stopped before the server had it is not sent after all.
    const refused = this.#ask && !this.#ask.stored && (this.#request?.own || this.#stopping);
    this.#request = null;
    this.#stopping = false;
    if (refused) this.#refuse(error);
    else if (error) this.tell("chat:problem", { text: error });
    if (this.#ask?.stored) this.#ask = null;
    if (code === "gone") this.tell("chat:gone");
    if (code === "busy") this.#catchUp(); // the answer that runs was asked for in another tab
    this.#proceed();
  }

  /** The text is empty where the reader took it back. */
  #refuse(text) {
    const ask = this.#ask;
    this.#ask = null;
    this.#stopping = false;
    if (ask) this.#tell("chat:refused", ask, text);
    this.#reflect();
  }

  /** The last message that the server knows. */
  #shown() {
    return [...this.querySelectorAll("llm-chat-transcript > [data-message]")].at(-1);
  }

  #reflect() {
    const streaming = Boolean(this.#ask || this.#orphaned || this.#request?.running);
    if (streaming === this.hasAttribute("streaming")) return;
    this.toggleAttribute("streaming", streaming);
    this.tell("chat:state", { streaming });
  }

  #tell(type, { message, frame }, text) {
    this.tell(type, { message, text, replaces: "messageId" in frame });
  }
}

Chat.define("llm-chat");
