const ChatElement = customElements.get("llm-chat-element");

/** Pixels from the end that count as the end. */
const CLOSE = 4;

/** How much of a question is kept in view, as a share of the height. */
const SHARE = 0.4;

/** `<llm-chat-scroll>`: keeps the newest line in view, as docs/page.md explains. */
class ChatScroll extends ChatElement {
  /** Fires after scroll events: a scroll of the visitor's in the same frame has been heard. */
  #growth = new ResizeObserver((entries) => this.#grow(entries));
  #content = new MutationObserver(() => this.#change());
  /** Not before this page has asked something. */
  #reserves = false;
  #top = 0;
  #end = 0;

  connect() {
    this.hear(this.chat, {
      "chat:outgoing": ({ status, edits }) => status === "sending" && !edits && this.#lead(),
      "chat:stored": ({ replaces }) => replaces && this.#lead(), // until then the old branch is shown
      "chat:turn": ({ by }) => this.#turn(by),
      "chat:reveal": ({ article }) => this.#reveal(article),
      "chat:keep": ({ from, change }) => this.#keep(from, change),
    });
    this.hear(this.#log, this.#moves, { passive: true });
    this.hear(this.#button, { click: () => this.#jump() });
    this.hear(this, { click: ({ target }) => this.#turn(Number(target.closest("[data-turn]")?.dataset.turn)) });
    for (const box of [this.#log, ...this.#log.children]) {
      this.#growth.observe(box);
      this.#content.observe(box, { childList: true });
    }
    this.#scrollToEnd();
  }

  disconnect() {
    this.#growth.disconnect();
    this.#content.disconnect();
  }

  get #moves() {
    return {
      scroll: () => this.#heed(),
      // The intention counts, because following growth would end a smooth scroll before it has begun.
      wheel: ({ deltaY }) => deltaY < 0 && this.#unpin(),
      keydown: ({ key }) => ["ArrowUp", "PageUp", "Home"].includes(key) && this.#unpin(),
      // A press on the scroll bar's track scrolls smoothly too.
      pointerdown: (event) => this.#isOnScrollBar(event) && this.#unpin(),
    };
  }

  #jump() {
    this.#log.focus({ preventScroll: true }); // the button is about to disappear
    this.#scrollToEnd();
  }

  #lead() {
    this.#reserves = true;
    this.#reserve();
    this.#pin();
  }

  #change() {
    this.chat.toggleAttribute("empty", !this.querySelector("[data-message]"));
    this.#reserve();
  }

  #grow(entries) {
    if (entries.some(({ target }) => target === this.#log)) this.#reserve();
    this.#follow();
  }

  #reserve() {
    if (!this.#reserves) return;
    const question = this.#questions.at(-1);
    const height = question ? this.#placeOf(question) + this.#log.clientHeight : 0;
    this.find("[data-room]").style.blockSize = `${Math.floor(height)}px`;
  }

  #turn(by) {
    if (!by) return;
    const top = this.#log.scrollTop;
    const places = this.#questions.map((question) => Math.floor(this.#placeOf(question)));
    const next = by < 0 ? places.findLast((place) => place < top - CLOSE) : places.find((place) => place > top + CLOSE);
    if (next === undefined && by > 0) this.#scrollToEnd();
    else this.#log.scrollTop = next ?? 0;
  }

  /** Do not wait for the scroll event: what is below may shrink before it comes. */
  #reveal(article) {
    article.scrollIntoView({ block: "center" });
    this.#settle();
  }

  #settle() {
    this.#look();
    if (this.#end - this.#top < CLOSE) this.#pin();
    else this.#unpin();
  }

  #scrollToEnd() {
    this.#pin();
    this.#follow();
  }

  #pin() {
    this.toggleAttribute("pinned", true);
    if (!this.#button.hidden) this.#button.hidden = true;
  }

  #unpin() {
    if (this.#log.scrollHeight <= this.#log.clientHeight) return;
    this.removeAttribute("pinned");
    this.#button.hidden = false;
  }

  /** An upward scroll is the visitor's own, unless the content has shrunk. */
  #heed() {
    const top = this.#top;
    const end = this.#end;
    this.#look();
    if (this.#top < top && this.#end >= end) this.#unpin();
    // The event of our own scroll comes late, to a place that is known.
    else if (this.#top !== top && this.#end - this.#top < CLOSE) this.#pin();
  }

  #follow() {
    if (!this.hasAttribute("pinned")) return;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#look();
  }

  #keep(from, change) {
    const top = from.getBoundingClientRect().top;
    const to = change() ?? from;
    this.#reserve();
    this.#log.scrollTop += to.getBoundingClientRect().top - top;
    this.#settle();
  }

  #isOnScrollBar({ target, offsetX }) {
    return target === this.#log && (offsetX < 0 || offsetX >= this.#log.clientWidth);
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    this.#top = scrollTop;
    this.#end = scrollHeight - clientHeight;
  }

  /** Where the log is scrolled to for a question, or the end of a long one. */
  #placeOf(question) {
    const log = this.#log;
    const { top, bottom } = question.getBoundingClientRect();
    const start = log.getBoundingClientRect().top + log.clientTop;
    const margin = parseFloat(getComputedStyle(log).paddingBlockStart);
    return log.scrollTop - start + Math.max(top - margin, bottom - SHARE * log.clientHeight);
  }

  get #questions() {
    return [...this.querySelectorAll("[data-role=user]")];
  }

  get #log() {
    return this.find("[role=log]");
  }

  get #button() {
    return this.find("[data-action=jump]");
  }
}

ChatScroll.define("llm-chat-scroll");

/** `<llm-chat>`: one conversation, with one request at a time: the patches of an answer must not arrive twice at once. */
class Chat extends ChatElement {
  /** @type {(Ask & { stored: boolean }) | null} */
  #ask = null;
  /** @type {{ own: boolean, running: boolean, decides?: boolean } | null} `own`: it sends the ask. */
  #request = null;
  /** No request follows the answer that is being made. */
  #orphaned = false;
  #stopping = false;

  connect() {
    this.hear(this, {
      "chat:ask": (ask) => this.#begin(ask),
      "chat:stop": () => this.#stop(),
      "chat:decide": ({ call, approved }) => this.#call({ type: "decide", callId: call, approved }),
      "chat:press": ({ value }) => this.#call({ type: "press", value }),
      "chat:open": () => this.#resume(),
      "chat:close": ({ final, refused }) => this.#lose(final, refused),
      "chat:found": () => this.#repeatStop(),
      "chat:chunk": (chunk) => this.#follow(chunk),
      "chat:answered": ({ text, code }) => this.#end(text, code),
      "chat:stale": () => this.#catchUp(),
    });
    this.#orphaned = this.#shown()?.dataset.status === "running";
    this.#shareIcons();
    this.#reflect();
  }

  disconnect() {
    this.#release();
    this.#reflect();
  }

  /** The page has them once, however many chats come and go. */
  #shareIcons() {
    const own = this.querySelector("[data-icons]");
    if (document.querySelector("head > [data-icons]")) own?.remove();
    else if (own) document.head.append(own);
  }

  #begin(ask) {
    this.#ask = { ...ask, stored: false };
    this.#stopping = false;
    this.#proceed();
  }

  /** Cancel an ask that has not been sent, or stop the answer, if need be after reconnecting. */
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

  /** Send what a button of a tool's template says, and follow the answer. A second click changes nothing. */
  #call(frame) {
    if (this.#request) return;
    this.#request = { own: false, running: true, decides: frame.type === "decide" };
    this.tell("chat:request", { frame });
    this.#reflect();
  }

  #catchUp() {
    if (this.online && !this.#request) this.#resume();
  }

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
    const { own, decides } = this.#request ?? {};
    const refused = this.#ask && !this.#ask.stored && (own || this.#stopping);
    this.#request = null;
    this.#stopping = false;
    if (refused) this.#refuse(error, code);
    else this.#report(error, code);
    if (this.#ask?.stored) this.#ask = null;
    this.#meetOthers(code, decides);
    this.#proceed();
  }

  /** Another tab has asked, or decided: then the server sends the answer again that this page shows as waiting. */
  #meetOthers(code, decides) {
    const asking = code === "conflict" && decides && this.#shown();
    if (asking) asking.dataset.status = "decided";
    if (asking || code === "busy") this.#catchUp();
  }

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

/** `<llm-chat-requests>`: sends requests. The current one follows an answer; each of the others resolves a promise. */
class ChatRequests extends ChatElement {
  /** Milliseconds that one of the others may take. */
  patience = 10_000;

  /** @type {CurrentRequest | null} */
  #current = null;
  /** @type {Map<string, OtherRequest>} */
  #others = new Map();
  /** @type {ConversationEvent[]} */
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

  #refuse(current, { errorText, code, retryAt }) {
    // A decision can be refused because of its tool alone.
    if (code === "forbidden" && current.type === "send") this.chat.toggleAttribute("forbidden", true);
    const failed = current.type === "resume" && code !== "gone";
    if (failed || this.#isTemporary(code)) this.tell("chat:reset");
    else this.#end(retryAt ? `${errorText} ${this.#again(retryAt)}` : errorText, code);
  }

  /** Say from when on the visitor can send again, with the date if that is not today. */
  #again(retryAt) {
    const at = new Date(retryAt);
    const isToday = at.toDateString() === new Date().toDateString();
    const time = at.toLocaleString(this.chat.lang, { dateStyle: isToday ? undefined : "medium", timeStyle: "short" });
    return (this.dataset.again ?? "").replace("{time}", time);
  }

  #isTemporary(code) {
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
    const [assistant, about] = ["assistant", "about"].map((name) => this.chat.getAttribute(name) ?? undefined);
    const body = { view: "html", language: this.chat.lang, assistant, about, ...frame.body };
    this.tell("chat:transmit", { ...frame, requestId, id: this.chat.getAttribute("conversation"), headers: {}, body });
    return requestId;
  }
}

ChatRequests.define("llm-chat-requests");

/** `<llm-chat-earlier>`: a link to earlier messages, which come as the visitor comes near, or clicks. */
class ChatEarlier extends ChatElement {
  #sight;

  connect() {
    this.#sight = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#load(), {
      root: this.parentElement,
      rootMargin: "150% 0px",
    });
    this.hear(this.chat, { "chat:open": () => this.#look() });
    this.hear(this, { click: (event) => this.#click(event) });
    this.#look();
  }

  disconnect() {
    this.#sight?.disconnect();
  }

  #click(event) {
    event.preventDefault();
    this.#load();
  }

  async #load() {
    const first = this.#first;
    if (!first || this.hasAttribute("loading")) return;
    this.toggleAttribute("loading", true);
    const request = this.request({ type: "earlier", messageId: first.dataset.message });
    const [page] = await request.catch(() => []);
    this.removeAttribute("loading");
    if (!page || first !== this.#first) return;
    this.tell("chat:keep", { from: first, change: () => this.tell("chat:earlier", page) });
    if (!page.more && this.matches(":focus-within")) this.parentElement?.focus({ preventScroll: true });
    this.#look();
  }

  /** Observing again calls back. */
  #look() {
    this.#sight?.unobserve(this);
    this.#sight?.observe(this);
  }

  get #first() {
    return this.chat?.querySelector("llm-chat-transcript > [data-message]");
  }
}

ChatEarlier.define("llm-chat-earlier");

/** `<llm-chat-events>`: notices what the page lacks, and tells the server what the visitor has seen. */
class ChatEvents extends ChatElement {
  static settled = ["complete", "cut", "stopped"];

  /** @type {ConversationEvent[]} Those since the last resume. */
  #events = [];
  /** Whether an answer may have ended that the server considers unread. */
  #unread = true;

  connect() {
    this.hear(this.chat, {
      "chat:event": (event) => this.#take(event),
      "chat:request": ({ frame }) => this.#forget(frame.type),
      "chat:open": () => this.#doubt(),
      "chat:answered": () => this.#look(),
    });
    this.hear(document, { visibilitychange: () => document.hidden || this.#return() });
  }

  #take(event) {
    if (event.id !== this.chat.getAttribute("conversation")) return;
    if (event.event === "moved") {
      this.#move(event);
      return;
    }
    this.#unread ||= event.event === "run-ended";
    const heading = this.chat.querySelector("[data-title]");
    if (heading && event.title) heading.textContent = event.title;
    // A question is answered, and others are left: the server sends what the page shows in another state.
    const asking = event.event === "decided" && this.#article(event.message);
    if (asking) asking.dataset.status = "decided";
    this.#events.push(event);
    this.#look();
  }

  /** The conversation has another id: one of the same id has come with a visitor who has signed in. */
  #move({ id, to = "" }) {
    this.chat.setAttribute("conversation", to);
    const page = this.chat.getAttribute("page-url") ?? "";
    this.chat.setAttribute("page-url", page.replace(`/${id}/`, `/${to}/`));
  }

  #forget(type) {
    if (type === "resume") this.#events = [];
  }

  #doubt() {
    this.#unread = true;
  }

  #return() {
    this.tell("chat:stale");
    this.#read();
  }

  #look() {
    this.#events = this.#events.filter((event) => !this.#shows(event));
    if (this.#events.length) this.tell("chat:stale");
    this.#read();
  }

  #read() {
    const shown = !document.hidden && this.chat.checkVisibility(); // not in a dialog that is closed
    if (!this.#unread || !shown || !this.chat.querySelector("[data-role=assistant]")) return;
    this.#unread = false;
    this.request({ type: "read" }).catch(() => this.#doubt());
  }

  #shows({ event, message, waiting = false }) {
    const shown = this.#article(message);
    const status = shown?.dataset.status ?? "";
    const settled = waiting ? ["waiting"] : ChatEvents.settled;
    return this.#signs[event]?.({ shown, status, settled }) ?? false;
  }

  /** By event, whether the page shows what it tells. */
  #signs = {
    title: () => true,
    read: () => true,
    "run-started": ({ shown, status }) => Boolean(shown && status !== "waiting"), // one that has waited goes on
    decided: ({ status }) => status !== "decided",
    branch: ({ shown }) => Boolean(shown && !shown.nextElementSibling),
    "run-ended": ({ status, settled }) => settled.includes(status),
  };

  /** @returns {HTMLElement | null} */
  #article(message) {
    return this.chat.querySelector(`[data-message="${CSS.escape(message)}"]`);
  }
}

ChatEvents.define("llm-chat-events");

/**
 * `<llm-chat-hit>`: shows the message that a search has found, however far up it is. It is defined after
 * `<llm-chat-earlier>`, which has to hear its click: otherwise the link leads to another page.
 */
class ChatHit extends ChatElement {
  #wanted = new URLSearchParams(location.search).get("hit");

  connect() {
    this.hear(this.chat, {
      "chat:answered": () => this.#look(),
      "chat:earlier": () => setTimeout(() => this.#look()),
    });
    this.#look();
  }

  #look() {
    if (!this.#wanted) return;
    const article = this.chat.querySelector(`[data-message="${CSS.escape(this.#wanted)}"]`);
    const earlier = this.chat.querySelector(":has(+ llm-chat-transcript[earlier]) > a[href]");
    if (article) this.#show(article);
    else earlier?.click();
  }

  #show(article) {
    this.#wanted = null;
    this.tell("chat:reveal", { article });
    article.toggleAttribute("data-hit", true);
  }
}

ChatHit.define("llm-chat-hit");
