/*
 * The types that the page's scripts share: their events, and what the server sends. `tsc` reads this file, browsers never do.
 * docs/page.md explains the events, docs/protocol.md the frames and chunks.
 */

/** The events of the chat: the name of each, and its detail. */
interface ChatEventMap {
  // What the visitor wants

  /** `message`: the question that the text replaces. */
  "chat:submit": { text: string; message?: string };
  /** A question for the time after the answer that runs. */
  "chat:queue": { text: string };
  "chat:retry": MessageDetail & { continues: boolean };
  "chat:edit": MessageDetail;
  "chat:discard": { message: string };
  /** `article`: the message, if it is one that is copied. */
  "chat:copy": { button: HTMLButtonElement; text: Promise<string>; article?: HTMLElement };
  "chat:stop": undefined;
  "chat:decide": { call: string; approved: boolean };
  "chat:press": { value: string };
  /** `text`: what to write before the text of the composer, which takes the focus; `error`: why it was not sent. */
  "chat:compose": { text: string; error?: string };
  /** `by`: how many questions further, at present 1 or -1. */
  "chat:turn": { by: number };
  "chat:reveal": { article: HTMLElement };

  // What becomes of it

  "chat:ask": Ask;
  "chat:outgoing": Outgoing;
  "chat:queued": { message: string; text?: string };
  "chat:stored": Outcome;
  /** `text`: the server's sentence; empty where the visitor took the message back. `code`: its error, if it has one. */
  "chat:refused": Outcome & { text: string; code: string };
  "chat:state": { streaming: boolean };
  /** There is a connection, and nothing is asked. */
  "chat:idle": undefined;
  /** `elsewhere`: the page shows the sentence already, so that it is only read out. */
  "chat:problem": { text: string; elsewhere?: boolean };
  "chat:say": { text: string };
  /** What had the focus is gone. */
  "chat:focus": undefined;

  // Between the page and the server

  "chat:open": undefined;
  "chat:close": { code?: number; final: boolean; refused: boolean };
  "chat:frame": ServerFrame;
  "chat:transmit": ClientFrame;
  "chat:reset": undefined;
  "chat:request": ServerRequest;
  "chat:abort": undefined;
  "chat:found": undefined;
  "chat:answered": { text: string; code: string };
  "chat:event": ConversationEvent;
  "chat:stale": undefined;

  // What is shown

  "chat:chunk": Chunk;
  "chat:patch": Patch;
  "chat:conversation": { id: string; title: string };
  "chat:earlier": EarlierMessages;

  // The list of conversations

  /** `id`: the first one; without it, none is selected yet. */
  "chat:select": { id?: string };
  /** `html`: the form that undoes it. */
  "chat:deleted": { ids: string[]; html: string };
  "chat:sort": undefined;
  "chat:adrift": undefined;

  // What stays in its place

  /** What `change` returns, or else `from`, comes to the place on the screen where `from` was. */
  "chat:keep": { from: Element; change: () => Element | null | void };
}

interface MessageDetail {
  message: string;
  role: string;
  text: string;
}

/** What the visitor asks for, ready to be sent. */
interface Ask {
  message: string;
  trigger: string;
  frame: ClientFrame;
  /** Whether it may have reached the server. */
  sent: boolean;
  /** A selector that matches once the page shows that the server has it. */
  proof: string;
}

/** A text of the visitor's that the server does not have. */
interface Outgoing {
  message: string;
  text: string;
  status: "sending" | "unsent";
  /** Why the server refused it. */
  error?: string;
  /** Whether the page shows the message, with another text. */
  edits: boolean;
}

interface Outcome {
  message: string;
  /** Whether it replaces a message. */
  replaces: boolean;
}

/** A frame without its ids, and where its data goes. Without `resolve` its chunks are those of an answer. */
interface ServerRequest {
  frame: ClientFrame;
  resolve?: (data: any[]) => void;
  /** Takes the server's sentence, which is empty where there is none. */
  reject?: (errorText: string) => void;
}

/** A frame of the page's; `connection` and `requests` add what all of them have. */
interface ClientFrame {
  type?: string;
  body?: object;
  [field: string]: unknown;
}

interface ServerFrame {
  type: string;
  requestId: string;
  sequence: number;
  chunk: Chunk;
  code?: string;
  errorText?: string;
  retryAt?: string;
  event?: string;
}

interface ConversationEvent {
  event: string;
  id: string;
  message: string;
  title?: string;
  updated?: number;
  pinned?: boolean;
  unread?: boolean;
  waiting?: boolean;
  /** The new id, where the conversation has got another one. */
  to?: string;
}

type Chunk =
  | { type: "data-message"; data: MessageData }
  | { type: "data-status"; data: { status: string } }
  | { type: "data-part"; data: { message: string; part: number; html: string } }
  | { type: "data-patch"; data: Patch & { message: string; part: number } }
  | { type: "data-part-end"; data: { message: string; part: number; html: string } }
  | { type: "data-sources"; data: { message: string; html: string } }
  | { type: "data-message-end"; data: { message: string; status: string; html: string } }
  | { type: "data-conversation"; data: { id: string; title: string } }
  | { type: "error"; errorText: string }
  | { type: "start" | "finish" | "abort" };

interface MessageData {
  id: string;
  status: string;
  html: string;
  /** The message before it, or null where it is the first. Without it the message stays where it is, or comes last. */
  after?: string | null;
  earlier?: boolean;
}

interface Patch {
  keep: number;
  from?: number;
  html?: string;
  then?: [number, string][];
  tail?: number;
  append?: string;
  stay?: boolean;
}

interface EarlierMessages {
  html: string;
  more: boolean;
}

/** What the visitor asks for, as it is kept. A regenerate has no text. */
interface OutboxEntry {
  trigger: "submit-message" | "regenerate-message";
  message: string;
  text?: string;
  continues?: boolean;
  sent: boolean;
  attempt?: string;
  /** Whether it is to be asked after the answer that runs. */
  queued?: boolean;
  /** Why the server refused it; empty where the visitor took it back. */
  refused?: string;
}

/** The request whose chunks are those of an answer. `next`: the sequence number that is expected. */
interface CurrentRequest {
  requestId: string;
  type?: string;
  next: number;
}

interface OtherRequest {
  data: unknown[];
  resolve: (data: any[]) => void;
  reject?: (errorText: string) => void;
}

/** Functions by the event that each listens to: an event of the chat's passes its detail, one of the browser's itself. */
type Listeners = {
  [Name in keyof ChatEventMap]?: (detail: ChatEventMap[Name]) => unknown;
} & {
  [Name in keyof BrowserEventMap]?: (event: OnElement<BrowserEventMap[Name]>) => unknown;
};

type BrowserEventMap = HTMLElementEventMap &
  Pick<DocumentEventMap, "visibilitychange"> &
  Pick<SpeechSynthesisEventMap, "voiceschanged"> &
  Pick<WindowEventMap, "online" | "offline" | "pagehide" | "pageshow" | "load">;

/** Elements are all that the scripts listen on for events that bubble. */
type OnElement<E extends Event> = E & { readonly target: HTMLElement };

/** The base class of the chat's elements: element.js. */
declare class ChatElement extends HTMLElement {
  /** Whether the keyboard is one on the screen, which a focused field opens. */
  static touch: MediaQueryList;
  /** The close code of a server that finds no session, or another owner's. */
  static noSession: number;
  static define(name: string): void;
  /**
   * Give drafts and unsent messages that the device keeps other keys: `change` returns the owner and the conversation
   * that they belong to now, or nothing if they are to be removed.
   */
  static rekey(change: (owner: string, conversation: string) => [string, string] | false | null | undefined): void;

  connect(): void;
  /** Stop timers and observers; what `hear` added is removed already. */
  disconnect(): void;

  readonly chat: HTMLElement;
  /** Whether the chat has a connection. */
  readonly online: boolean;
  /** Whether only a reload can give it one. */
  readonly closed: boolean;

  /** Listen while on the page. An event of the chat's is passed as its detail. */
  hear(target: EventTarget, listeners: Listeners, options?: AddEventListenerOptions): void;
  /** Dispatch an event, which bubbles. */
  tell<Name extends keyof ChatEventMap>(type: Name, ...detail: Detail<Name>): void;
  /** Send a request beside the current one. Return the data of the chunks that answer, or reject with the server's sentence. */
  request(frame: ClientFrame): Promise<any[]>;
  /** Post fields as the page's own scripts do. Return the server's answer, empty if none came. */
  post(url: string, fields: FormData | Record<string, string>): Promise<{ done: boolean; html: string }>;

  /** Return an element that the templates have. */
  find<Selector extends string>(selector: Selector, root?: ParentNode): Found<Selector>;
  /** Return a message among the children. */
  article(id: string): HTMLElement | null;
  /** Return what is in a `<template data-template>`. */
  clone(name: string, root?: ParentNode): DocumentFragment;
  cloneElement(name: string): HTMLElement;
  /** Parse HTML of the server's. */
  fragment(html: string): DocumentFragment;
  /** Use the browser's storage, which may be full, or closed to this site: then do nothing. */
  attempt<Result>(act: () => Result): Result | undefined;
  /** Replace halves of emojis, which cannot be stored. */
  wellFormed(text: string): string;
}

/** The arguments that dispatch an event: its detail, where it has one. */
type Detail<Name extends keyof ChatEventMap> = ChatEventMap[Name] extends undefined ? [] : [detail: ChatEventMap[Name]];

/** The element that a selector finds: a tag's own class, that of an attribute in the templates, or any element of HTML. */
type Found<Selector extends string> = Selector extends keyof HTMLElementTagNameMap
  ? HTMLElementTagNameMap[Selector]
  : Selector extends `[name=${string}`
    ? HTMLInputElement
    : Selector extends `[data-template=${string}`
      ? HTMLTemplateElement
      : Selector extends "[data-action=options]"
        ? HTMLAnchorElement
        : HTMLElement;

// What the scripts find is an element of HTML, also by other selectors than the name of a tag.

interface ParentNode {
  querySelector<Tag extends keyof HTMLElementTagNameMap>(selector: Tag): HTMLElementTagNameMap[Tag] | null;
  querySelector(selector: `[name=${string}`): HTMLInputElement | null;
  querySelector<Type extends Element = HTMLElement>(selector: string): Type | null;
  querySelectorAll<Tag extends keyof HTMLElementTagNameMap>(selector: Tag): NodeListOf<HTMLElementTagNameMap[Tag]>;
  querySelectorAll(selector: `[name=${string}` | `input${string}`): NodeListOf<HTMLInputElement>;
  querySelectorAll<Type extends Element = HTMLElement>(selector: string): NodeListOf<Type>;
}

interface Element {
  /** Elements that the templates have around those that ask for them. */
  closest(selector: "llm-chat" | "llm-chat-sidebar" | "[data-message]"): HTMLElement;
  closest<Type extends Element = HTMLElement>(selector: string): Type | null;
}

interface DocumentFragment {
  readonly firstElementChild: HTMLElement;
}

interface HTMLElement {
  readonly parentElement: HTMLElement;
}

/** What can have the focus. */
interface Document {
  readonly activeElement: HTMLElement | null;
}

interface HTMLElementTagNameMap {
  "llm-chat": HTMLElement;
  "llm-chat-widget": ChatWidgetElement;
  "llm-chat-edit": HTMLElement;
}

/** Attributes that the templates write. */
interface Element {
  getAttribute(name: "base" | "src"): string;
}

interface Performance {
  getEntriesByType(type: "navigation"): PerformanceNavigationTiming[];
}

/** Not in all browsers, and not in TypeScript's library. */
interface Window {
  trustedTypes?: { createPolicy<Rules>(name: string, rules: Rules): Rules };
}

/**
 * The element of `{% chat_widget %}`: docs/widget.md. Its attributes `open`, `running` and `unread` are its state. It dispatches
 * `llm-chat:open`, `llm-chat:close`, `llm-chat:ready` and `llm-chat:unread`, which bubble and have no detail.
 */
interface ChatWidgetElement extends HTMLElement {
  /** Open the dialog. `text`: what to write before the text of the composer. Resolves when the chat is there, or cannot be loaded. */
  open(text?: string): Promise<void>;
  close(): void;
  toggle(): void;
}

interface CustomElementRegistry {
  get(name: "llm-chat-element"): typeof ChatElement;
}
