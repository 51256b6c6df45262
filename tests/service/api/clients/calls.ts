// Calls every path by the types that openapi-typescript generates. Run as `node calls.js URL`; prints a JSON
// object from the path to its status and the first bytes of what the client read.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

declare const process: { argv: string[]; stdout: { write(text: string): void } };

type Answer = { response: Response; data?: unknown };
type Seen = [number, number[]];

const api = createClient<paths>({ baseUrl: process.argv[2] });
const bytes = { parseAs: "arrayBuffer" } as const;
const model = { params: { path: { name: "toy" } } } as const;
const version = { params: { path: { name: "toy", version: "1" } } } as const;
const inference = {
  inputs: [
    { name: "latents", shape: [1, 5], datatype: "FP32", data: [0.5, 0.5, 0.5, 0.5, 0.5] },
    { name: "labels", shape: [1], datatype: "INT64", data: [3] },
  ],
};

async function seen(call: Promise<Answer>): Promise<Seen> {
  const { response, data } = await call;
  const first = data instanceof ArrayBuffer ? [...new Uint8Array(data.slice(0, 4))] : [];
  return [response.status, first];
}

async function sample(): Promise<Blob> {
  const { data } = await api.GET("/models/{name}/samples", { ...model, parseAs: "blob" });
  if (data === undefined) throw new Error("no samples");
  return data;
}

async function picture() {
  const file = await sample();
  return {
    headers: { "Content-Type": "image/png" },
    body: "", // typed as text; the serializer gives the bytes
    bodySerializer: () => file,
  };
}

const named = (model: string) => ({ params: { query: { model } } });

// A path that is missing here does not compile.
const calls: Record<keyof paths, () => Promise<Answer>> = {
  "/generate": () => api.POST("/generate", { body: { seed: 7, count: 1 }, ...bytes }),
  "/interpolate": () =>
    api.POST("/interpolate", { body: { points: [{ seed: 1 }, { seed: "2" }], steps: 2 }, ...bytes }),
  "/upscale": async () =>
    api.POST("/upscale", { ...named("larger"), ...(await picture()), ...bytes }),
  "/translate": async () =>
    api.POST("/translate", { ...named("styled"), ...(await picture()), ...bytes }),
  "/invert": async () => api.POST("/invert", { ...named("toy"), ...(await picture()) }),
  "/models": () => api.GET("/models"),
  "/models/{name}": () => api.GET("/models/{name}", model),
  "/models/{name}/samples": () => api.GET("/models/{name}/samples", { ...model, ...bytes }),
  "/models/{name}/card": () => api.GET("/models/{name}/card", { ...model, parseAs: "text" }),
  "/healthz": () => api.GET("/healthz"),
  "/readyz": () => api.GET("/readyz"),
  "/metrics": () => api.GET("/metrics", { parseAs: "text" }),
  "/v2": () => api.GET("/v2"),
  "/v2/health/live": () => api.GET("/v2/health/live"),
  "/v2/health/ready": () => api.GET("/v2/health/ready"),
  "/v2/repository/index": () => api.POST("/v2/repository/index", { body: { ready: true } }),
  "/v2/models/{name}": () => api.GET("/v2/models/{name}", model),
  "/v2/models/{name}/ready": () => api.GET("/v2/models/{name}/ready", model),
  "/v2/models/{name}/config": () => api.GET("/v2/models/{name}/config", model),
  "/v2/models/{name}/infer": () => api.POST("/v2/models/{name}/infer", { ...model, body: inference }),
  "/v2/models/{name}/versions/{version}": () =>
    api.GET("/v2/models/{name}/versions/{version}", version),
  "/v2/models/{name}/versions/{version}/ready": () =>
    api.GET("/v2/models/{name}/versions/{version}/ready", version),
  "/v2/models/{name}/versions/{version}/config": () =>
    api.GET("/v2/models/{name}/versions/{version}/config", version),
  "/v2/models/{name}/versions/{version}/infer": () =>
    api.POST("/v2/models/{name}/versions/{version}/infer", { ...version, body: inference }),
};

const found: Record<string, Seen> = {};
for (const [path, call] of Object.entries(calls)) found[path] = await seen(call());
process.stdout.write(JSON.stringify(found));
