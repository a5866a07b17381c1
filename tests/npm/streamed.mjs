// Runs `streamText` of the npm package with a scripted model and scripted tools, and writes the message that its
// client makes of the UI message stream. Steps come as JSON: [[{ text } | { call: [name, input] } | { source }, ...], ...].

import { readUIMessageStream, simulateReadableStream, stepCountIs, streamText, tool } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { z } from "zod";

const steps = JSON.parse(process.argv[2]);
const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
let step = 0;
let number = 0;

function* chunks(said) {
  yield { type: "stream-start", warnings: [] };
  for (const { text, reasoning, call, source } of said) {
    const id = `p${number++}`;
    const kind = text === undefined ? "reasoning" : "text";
    if (call) {
      const [toolName, input] = call;
      yield { type: "tool-call", toolCallId: `call-${id}`, toolName, input: JSON.stringify(input) };
      continue;
    }
    if (source) {
      yield { type: "source", sourceType: "url", id, ...source };
      continue;
    }
    yield { type: `${kind}-start`, id };
    yield { type: `${kind}-delta`, id, delta: text ?? reasoning };
    yield { type: `${kind}-end`, id };
  }
  const unified = said.some(({ call }) => call) ? "tool-calls" : "stop";
  yield { type: "finish", finishReason: { unified, raw: unified }, usage };
}

const result = streamText({
  model: new MockLanguageModelV4({
    doStream: () => Promise.resolve({ stream: simulateReadableStream({ chunks: [...chunks(steps[step++])] }) }),
  }),
  prompt: "Why?",
  stopWhen: stepCountIs(8),
  tools: {
    orders: tool({
      description: "The orders.",
      inputSchema: z.object({ status: z.string() }),
      execute: ({ status }) => [{ number: "B7", status }],
    }),
    manual: tool({
      description: "Pages of the manual.",
      inputSchema: z.object({}),
      execute: () => [{ title: "Brakes", url: "https://bikes.example/brake", excerpt: "They stop." }],
    }),
    cancel: tool({
      description: "Cancels.",
      inputSchema: z.object({}),
      execute: () => {
        throw new Error("It is too late.");
      },
    }),
  },
});

let message;
for await (message of readUIMessageStream({
  stream: result.toUIMessageStream({ onError: (error) => error.message, sendSources: true }),
})) {
  // the last one is whole
}
process.stdout.write(JSON.stringify(message));
