// Reads Mermaid files with Mermaid's own parser: npm install mermaid jsdom && node parse.mjs FILE...
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";
const { window } = new JSDOM("");
globalThis.window = window;
globalThis.document = window.document;
const mermaid = (await import("mermaid")).default;
let wrong = 0;
for (const file of process.argv.slice(2)) {
  try {
    const { diagramType } = await mermaid.parse(readFileSync(file, "utf8"));
    if (diagramType !== "flowchart-v2") throw new Error(`a ${diagramType}`);
  } catch (error) {
    wrong += 1;
    console.error(`${file}: ${error.message}`);
  }
}
process.exit(wrong === 0 ? 0 : 1);
