/** Requests as code in several languages, which saves the same bytes as the page shows. */

import { keyHeaders } from "./key.js";

const TITLES = { curl: "curl", python: "Python", javascript: "JavaScript" };
const VARIABLE = "MIRAGE_KEY"; // holds the key, so that copied code never contains it
const WRITERS = { curl, python, javascript };

/** The languages by name, with their titles. */
export const languages = Object.entries(TITLES);

/**
 * Returns code for requests `{ path, json, upload, accept, save }`. `json` and `upload`, the name of
 * a file that is the body, make a POST; the answer is saved as `save`.
 */
export function codeOf(language, requests) {
  const once = language === "javascript" ? 'import { readFile, writeFile } from "node:fs/promises";\n\n' : "";
  const head = language === "python" ? pythonImports(requests) : once;
  return head + requests.map((request) => WRITERS[language](request)).join(language === "curl" ? "\n" : "\n\n");
}

function urlOf({ path }) {
  return new URL(path, document.baseURI).href;
}

function isPost({ json, upload }) {
  return json !== undefined || upload !== undefined;
}

function headersOf({ json, upload, accept }) {
  const headers = { accept };
  if (json !== undefined) headers["content-type"] = "application/json";
  if (upload !== undefined) headers["content-type"] = "application/octet-stream";
  return headers;
}

function hasKey() {
  return keyHeaders().Authorization !== undefined;
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function curl(request) {
  const lines = [`curl --fail-with-body${isPost(request) ? " -X POST" : ""} ${quoted(urlOf(request))}`];
  for (const [name, value] of Object.entries(headersOf(request))) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (hasKey()) lines.push(`-H "authorization: Bearer $${VARIABLE}"`);
  if (request.json !== undefined) lines.push(`-d ${quoted(JSON.stringify(request.json))}`);
  if (request.upload !== undefined) lines.push(`--data-binary ${quoted(`@${request.upload}`)}`);
  return [...lines, `-o ${quoted(request.save)}`].join(" \\\n  ");
}

function pythonImports(requests) {
  const names = ["from urllib.request import Request, urlopen\n"];
  if (requests.some(({ json }) => json !== undefined)) names.unshift("import json\n");
  if (hasKey()) names.unshift("import os\n");
  return `${names.join("")}\n`;
}

function python(request) {
  const headers = Object.entries(headersOf(request)).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (hasKey()) headers.push(`"authorization": "Bearer " + os.environ["${VARIABLE}"]`);
  let data = "None";
  if (request.json !== undefined) data = `json.dumps(${literal(request.json)}).encode()`;
  if (request.upload !== undefined) data = `open(${JSON.stringify(request.upload)}, "rb").read()`;
  return [
    `request = Request(`,
    `    ${JSON.stringify(urlOf(request))},`,
    `    ${data},`,
    `    {${headers.join(", ")}},`,
    `)`,
    `with urlopen(request) as response, open(${JSON.stringify(request.save)}, "wb") as file:`,
    `    file.write(response.read())`,
  ].join("\n");
}

/** Returns JSON data as a Python literal. */
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${literal(item)}`).join(", ")}}`;
  }
  return { true: "True", false: "False", null: "None" }[String(value)] ?? JSON.stringify(value);
}

function javascript(request) {
  const headers = Object.entries(headersOf(request)).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  if (hasKey()) headers.push(`"authorization": \`Bearer \${process.env.${VARIABLE}}\``);
  const options = [`headers: { ${headers.join(", ")} }`];
  if (isPost(request)) options.unshift(`method: "POST"`);
  if (request.json !== undefined) options.push(`body: JSON.stringify(${JSON.stringify(request.json)})`);
  if (request.upload !== undefined) options.push(`body: await readFile(${JSON.stringify(request.upload)})`);
  return [
    `{`,
    `  const response = await fetch(${JSON.stringify(urlOf(request))}, {`,
    ...options.map((option) => `    ${option},`),
    `  });`,
    `  if (!response.ok) throw new Error(await response.text());`,
    `  await writeFile(${JSON.stringify(request.save)}, new Uint8Array(await response.arrayBuffer()));`,
    `}`,
  ].join("\n");
}
