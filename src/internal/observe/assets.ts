// Serves the files of a folder. They are listed once: a request for anything else finds nothing, whatever its path is.
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".txt": "text/plain; charset=utf-8",
  ".woff2": "font/woff2",
  ".webmanifest": "application/manifest+json"
}

// A page loads only what comes with it, and talks only to its own server.
const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// Bundlers put a hash of the content into names: `index-Bq3x9zK1.js`.
const isHashed = (name: string) => /[.-][\w-]{8,}\.\w+$/.test(name) && !name.endsWith(".html")

const plain = HttpServerResponse.html(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Holdfast</title>
<style>:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif } body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem }</style></head>
<body>
<h1>Holdfast</h1>
<ul>
<li><a href="/readyz">/readyz</a>: whether all that is desired is had</li>
<li><a href="/metrics">/metrics</a>: the metrics, for Prometheus</li>
<li>/events: what happens, as a WebSocket</li>
</ul>
</body>
</html>
`)

const withPolicy = HttpServerResponse.setHeader("content-security-policy", policy)

export interface Assets {
  /** The file at the path of a URL; undefined if there is none. */
  readonly at: (path: string) => Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined
}

/** Lists a folder. Without one, or while it is not there, `/` is a plain list of the routes. */
export const make = (folder: string | undefined) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const names = folder === undefined ? [] : yield* Effect.orElseSucceed(fs.readDirectory(folder, { recursive: true }), () => [])
    const files = new Map<string, string>()
    for (const name of names) {
      const file = paths.join(folder ?? "", name)
      const info = yield* Effect.option(fs.stat(file))
      if (info._tag === "Some" && info.value.type === "File") files.set(`/${name.replaceAll("\\", "/")}`, file)
    }
    const index = files.get("/index.html")
    if (index !== undefined) files.set("/", index)
    const assets: Assets = {
      at: (path) => {
        const file = files.get(path)
        if (file === undefined) return path === "/" ? Effect.succeed(withPolicy(plain)) : undefined
        return fs.readFile(file).pipe(
          Effect.map((bytes) =>
            withPolicy(HttpServerResponse.setHeader(
              HttpServerResponse.uint8Array(bytes, { contentType: types[paths.extname(file)] ?? "application/octet-stream" }),
              "cache-control",
              isHashed(path) ? "public, max-age=31536000, immutable" : "no-cache"
            ))
          ),
          // The file was there when the server started.
          Effect.orElseSucceed(() => HttpServerResponse.empty({ status: 404 }))
        )
      }
    }
    return assets
  })
