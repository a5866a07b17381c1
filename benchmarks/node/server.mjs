/** The AI SDK's own server, as its documentation writes it: `node server.mjs PORT`, with OPENAI_BASE_URL and a key. */

import { createServer } from "node:http";
import { createOpenAI } from "@ai-sdk/openai";
import { convertToModelMessages, pipeUIMessageStreamToResponse, streamText, toUIMessageStream } from "ai";

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });

async function body(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString());
}

async function answer(request, response) {
  const { messages } = await body(request);
  const result = streamText({ model: openai.chat("bench"), messages: await convertToModelMessages(messages) });
  pipeUIMessageStreamToResponse({ response, stream: toUIMessageStream({ stream: result.stream }) });
}

createServer({ keepAlive: true }, answer).listen(Number(process.argv[2]), "127.0.0.1", 2048);
