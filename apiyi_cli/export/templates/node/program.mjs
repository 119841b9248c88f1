// Needs Node 20 or newer; save as program.mjs.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";

const url = __URL__;
// __FUNCTIONS__

async function main() {
  const key = process.env.APIYI_API_KEY;
  if (!key) throw new Error("APIYI_API_KEY is not set");
  // __REFUSAL__
  // __BODY__
  const reply = await fetch(url, {
    method: __METHOD__,
    headers: __HEADERS__,
    // __SENT__
    redirect: "manual",
    signal: AbortSignal.timeout(__TIMEOUT__),
  });
  if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${await reply.text()}`);
  // __ANSWER__
}

try {
  await main();
} catch (error) {
  console.error(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
  process.exitCode = 1;
}
