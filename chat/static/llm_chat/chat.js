const ChatElement = customElements.get("llm-chat-element");

/**
 * `<llm-chat>`: one conversation. It decides what is asked of the server, and when.
 *
 * At most one request is under way. A connection begins with a resume; an ask that is not acknowledged yet waits for its end, so
 * that the patches of one answer never arrive twice at once.
 */
class Chat extends ChatElement {
  /** @type {(Ask & { stored: boolean }) | null} What the visitor asks for, until it is answered. */
  #ask = null;
  /** @type {{ own: boolean, running: boolean } | null} `own`: it sends the ask; `running`: an answer is being made. */
  #request = null;
  /** No request follows the answer that is being made. */
  #orphaned = false;
  #stopping = false;

  connect() {
    this.hear(this, {
      "chat:ask": (ask) => this.#begin(ask),
      "chat:stop": () => this.#stop(),
      "chat:open": () => this.#resume(),
      "chat:close": ({ final, refused }) => this.#lose(final, refused),
      "chat:found": () => this.#repeatStop(),
      "chat:chunk": (chunk) => this.#follow(chunk),
      "chat:answered": ({ text, code }) => this.#end(text, code),
      "chat:stale": () => this.#catchUp(),
    });
    this.#orphaned = this.#shown()?.dataset.status === "running";
    this.#reflect();
  }

  disconnect() {
    this.#release();
    this.#reflect();
  }

  #begin(ask) {
    this.#ask = { ...ask, stored: false };
    this.#stopping = false;
    this.#proceed();
  }

  /** Cancel an ask that has not been sent; stop what may be running, if need be after reconnecting. */
  #stop() {
    this.#stopping = true;
    if (this.#request?.running) this.tell("chat:abort");
    else if (this.#ask && !this.#ask.sent) this.#refuse("");
  }

  #resume() {
    const last = this.#shown();
    const after = last ? { message: last.dataset.message, status: last.dataset.status } : undefined;
    this.#request = { own: false, running: this.#orphaned };
    this.#orphaned = false;
    this.tell("chat:request", { frame: { type: "resume", body: { after } } });
  }

  #catchUp() {
    if (this.online && !this.#request) this.#resume();
  }

  // Internals

  #proceed() {
    if (this.closed) this.#refuse("");
    const isFree = this.online && !this.#request;
    if (this.#ask && isFree) {
      this.#request = { own: true, running: true };
      this.#ask.sent = true;
      this.tell("chat:request", { frame: { type: "send", trigger: this.#ask.trigger, ...this.#ask.frame } });
    }
    this.#reflect();
    if (isFree && !this.#request) this.tell("chat:idle");
  }

  #lose(final, refused) {
    if (refused && this.#request?.own && !this.#ask?.stored) this.#refuse("");
    this.#release();
    if (final) this.#orphaned = false;
    this.#proceed();
  }

  /** Forget the request: its answer continues without the connection. */
  #release() {
    if (this.#request?.running) this.#orphaned = !this.#request.own || this.#ask?.stored === true;
    if (this.#ask?.stored) this.#ask = null;
    this.#request = null;
  }

  #follow(chunk) {
    if (chunk.type === "start" && this.#request?.own) this.#store();
    if (chunk.type === "data-message") this.#meet(chunk.data.status);
    this.#reflect();
  }

  /** A message may be an answer that is being made, or prove that the server has the ask. */
  #meet(status) {
    if (this.#ask && this.querySelector(this.#ask.proof)) this.#store();
    if (status !== "running" || !this.#request) return;
    this.#request.running = true;
    this.#repeatStop();
  }

  #store() {
    if (!this.#ask || this.#ask.stored) return;
    this.#ask.stored = true;
    this.tell("chat:stored", outcome(this.#ask));
    this.#repeatStop();
  }

  /** The first stop may have come too early, or been lost with a connection. */
  #repeatStop() {
    if (this.#stopping && this.#request?.running) this.#stop();
  }

  #end(error, code) {
    // An ask that was stopped before the server had it is not sent after all.
    const refused = this.#ask && !this.#ask.stored && (this.#request?.own || this.#stopping);
    this.#request = null;
    this.#stopping = false;
    if (refused) this.#refuse(error, code);
    else this.#report(error, code);
    if (this.#ask?.stored) this.#ask = null;
    if (code === "busy") this.#catchUp(); // with an answer that another tab asked for
    this.#proceed();
  }

  /** That the conversation is gone stands in the place of its messages. */
  #report(text, code) {
    if (code === "gone") this.toggleAttribute("gone", true);
    if (text) this.tell(code === "gone" ? "chat:say" : "chat:problem", { text });
  }

  #refuse(text, code = "") {
    const ask = this.#ask;
    this.#ask = null;
    this.#stopping = false;
    if (ask) this.tell("chat:refused", { ...outcome(ask), text, code });
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
}

function outcome({ message, frame }) {
  return { message, replaces: "messageId" in frame };
}

Chat.define("llm-chat");
